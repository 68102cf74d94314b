"""Records a call while it runs: each operation with its tensors, and where gradients will pass.

An operation gets an alias of each tensor that has a gradient, so that what flows back through this
one use can be heard by itself: at a fan-out the uses are told apart, and add up.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.autograd.witness import file_name
from lab.records.graph import Kind, State

Tensor = Any  # torch is imported inside the functions that need it

# They ask about a tensor, and compute nothing.
_ASKING = {
    "__get__", "__set__", "size", "dim", "numel", "stride", "is_floating_point", "is_complex",
    "__len__", "__repr__", "__format__", "__hash__", "__iter__", "requires_grad_", "register_hook",
    "retain_grad", "is_contiguous", "_set_grad_enabled", "set_grad_enabled", "element_size",
    "storage_offset", "data_ptr", "__bool__", "backward", "nelement", "is_sparse", "get_device",
    "__reduce_ex__", "__deepcopy__", "_is_view", "is_leaf",
}  # fmt: skip
_LEAVING = {"item", "tolist", "numpy", "__array__", "__float__", "__int__", "__index__"}
_OURS = ("/lab/graph/recorder.py", "/lab/graph/trace.py", "/lab/graph/worker.py")
_OPERATORS = {
    "__add__": "add", "__radd__": "add", "__sub__": "sub", "__rsub__": "sub", "__mul__": "mul",
    "__rmul__": "mul", "__truediv__": "div", "__rtruediv__": "div", "__rdiv__": "div",
    "__div__": "div", "__pow__": "pow", "__rpow__": "pow", "__matmul__": "matmul",
    "__rmatmul__": "matmul", "__neg__": "neg", "__getitem__": "index", "rsub": "sub", "true_divide":
    "div", "__abs__": "abs",
}  # fmt: skip


@dataclass(kw_only=True)
class Use:
    """One use of a tensor: an edge.

    Args:
        source, target: numbers of steps.
        alias: what the operation was given in its place; None where no gradient can pass.
        reason: why not.
        heard: the gradient that came back through it.
    """

    source: int
    target: int
    alias: Tensor | None
    reason: str = ""
    heard: Tensor | None = None


@dataclass(kw_only=True)
class Step:
    """A tensor that was given or made: a node.

    Args:
        number: from 0, in forward order.
        kind: input, parameter, constant or operation.
        tensor: itself; kept, so that nothing else gets its identity.
        value: a copy of it as it was then.
        heard: its gradient, when it had come.
        order: how many gradients had come before.
    """

    number: int
    kind: Kind
    tensor: Tensor
    value: Tensor
    name: str = ""
    operation: str = ""
    arguments: str = ""
    module: str = ""
    line: str = ""
    states: set[State] = field(default_factory=set)
    heard: Tensor | None = None
    order: int | None = None
    argument: int | None = None
    """Of an input, or a parameter after them: the number that the gradient check gives it."""
    frozen: bool = False
    """Its tensor was changed in place later on."""


# A tensor that an operation was given, its step, and its alias.
_Given = tuple[Tensor, Step, Tensor | None]


class Recorder:
    """What has been recorded so far; `running` records a call."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.steps: list[Step] = []
        self.uses: list[Use] = []
        self._of: dict[int, int] = {}
        self._nodes: dict[Any, int] = {}
        self._modules: list[str] = []
        self._paths: dict[int, str] = {}
        self._came = 0
        self._listening = True
        self._hooks: list[Any] = []

    # --- leaves ------------------------------------------------------------------------------

    def leaf(self, tensor: Tensor, kind: Kind, name: str) -> Step:
        """Take up a tensor that no operation made."""
        return self._new(tensor, kind, name=name)

    def paths(self, module: Any) -> None:
        """Know a module's parts and parameters by their names."""
        self._paths = {id(part): path for path, part in module.named_modules()}
        for name, parameter in module.named_parameters():
            self.leaf(parameter, "parameter", name)

    def _new(self, tensor: Tensor, kind: Kind, **about: Any) -> Step:
        step = Step(
            number=len(self.steps), kind=kind, tensor=tensor, value=tensor.detach().clone(), **about
        )
        self.steps.append(step)
        self._of[id(tensor)] = step.number
        if tensor.requires_grad:
            if tensor.grad_fn is not None:
                self._nodes[tensor.grad_fn] = step.number
            self._hooks.append(tensor.register_hook(lambda g, s=step: self._hear(s, g)))
        return step

    def _hear(self, step: Step, gradient: Tensor) -> None:
        if not self._listening:
            return
        step.heard = gradient.detach().clone()
        step.order = self._came
        self._came += 1

    def step_of(self, tensor: Tensor) -> Step:
        """The step of a tensor; one that is not known was made out of sight, or is a constant."""
        number = self._of.get(id(tensor))
        if number is not None:
            return self.steps[number]
        if tensor.grad_fn is not None:
            return self._out_of_sight(tensor)
        kind: Kind = "parameter" if tensor.requires_grad else "constant"
        return self._new(tensor, kind, name=_name_of(tensor), line="")

    def _out_of_sight(self, tensor: Tensor) -> Step:
        """What an autograd.Function made: torch tells of it by the graph alone."""
        node = tensor.grad_fn
        name = type(node).__name__.removesuffix("Backward0").removesuffix("Backward")
        parents = self._parents(node)
        step = self._new(tensor, "operation", operation=name, module=self._module(), line=_line())
        uses = []
        for source in parents:
            alias = None if source is None else self.steps[source].tensor
            use = None
            if source is not None:
                use = Use(source=source, target=step.number, alias=alias)
                self.uses.append(use)
            uses.append(use)

        def heard(given: tuple[Any, ...], _: Any) -> None:
            for use, gradient in zip(uses, given, strict=False):
                if self._listening and use is not None and gradient is not None:
                    use.heard = gradient.detach().clone()

        node.register_hook(heard)
        return step

    def _parents(self, node: Any) -> list[int | None]:
        """Steps that an autograd node was made of, one for each of its inputs."""
        found: list[int | None] = []
        for parent, _ in node.next_functions:
            number = self._nodes.get(parent)
            if number is None and hasattr(parent, "variable"):
                number = self.step_of(parent.variable).number
            found.append(number)
        return found

    def stop(self) -> None:
        """Hear nothing any more, and leave nothing on tensors that live on, such as parameters."""
        self._listening = False
        for hook in self._hooks:
            hook.remove()

    # --- operations --------------------------------------------------------------------------

    def operation(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one operation, and record it."""
        name = getattr(function, "__name__", "")
        given = [a for a in _leaves([args, kwargs]) if _is_tensor(a)]
        if _in_written_function(sys._getframe(1)):
            return function(*args, **kwargs)
        if name in _ASKING or not given:
            if not (name == "__get__" and _attribute(function) in ("data", "T", "mT", "H", "real")):
                return function(*args, **kwargs)
            name = _attribute(function)
        _name_variables(self)
        before = {id(t): t._version for t in given}
        sources = [self.step_of(t) for t in given]
        in_place = _writes(name)
        aliases = [None] * len(given) if in_place else self._aliases(given)
        args, kwargs = _swap((args, kwargs), iter(zip(given, aliases, strict=True)))
        result = function(*args, **kwargs)
        changed = [t for t in given if t._version != before[id(t)]]
        uses = list(zip(given, sources, aliases, strict=True))
        self._keep(name, (args, kwargs), uses, result, changed)
        return result

    def _aliases(self, given: list[Tensor]) -> list[Tensor | None]:
        """For each use a view that shares its history with the tensor, and is heard by itself."""
        import torch

        on = torch.is_grad_enabled()
        return [t.view_as(t) if on and t.requires_grad and not t.is_sparse else None for t in given]

    def _keep(
        self, name: str, arguments: Any, given: list[_Given], result: Any, changed: list[Tensor]
    ) -> None:
        made = [t for t in _leaves(result) if _is_tensor(t)]
        if name in _LEAVING and not made:
            for _, step, _ in given:
                step.states.add("detached")
                for use in (u for u in self.uses if u.target == step.number and not u.reason):
                    use.reason = name
            return
        own = {id(alias) for _, _, alias in given}
        for tensor in made:
            if id(tensor) in self._of and not any(tensor is t for t in changed):
                continue  # it handed on what it was given
            if id(tensor) in own:
                continue
            step = self._new(
                tensor, "operation", operation=_operation(name),
                arguments=_scalars(arguments), module=self._module(), line=_line(),
            )  # fmt: skip
            if any(tensor is t for t in changed):
                step.states.add("in_place")
            self._join(step, given, changed)

    def _join(self, step: Step, given: list[_Given], changed: list[Tensor]) -> None:
        reason = _why_not(step)
        for tensor, source, alias in given:
            use = Use(source=source.number, target=step.number, alias=None)
            if not source.tensor.requires_grad and not source.frozen:
                use.reason = "constant"
            elif reason:
                use.reason = reason
                step.states.add("detached")
            elif any(tensor is t for t in changed):
                source.frozen = True
                use.reason = ""
            else:
                use.alias = alias
                if alias is not None:
                    alias.register_hook(lambda g, u=use: self._hear_use(u, g))
            self.uses.append(use)

    def _hear_use(self, use: Use, gradient: Tensor) -> None:
        if self._listening:
            use.heard = gradient.detach().clone()

    def _module(self) -> str:
        return self._modules[-1] if self._modules else ""

    # --- a call ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Record what is computed while this lasts."""
        from torch.nn.modules import module as modules
        from torch.overrides import TorchFunctionMode

        recorder = self

        class Record(TorchFunctionMode):
            def __torch_function__(
                self, function: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                return recorder.operation(function, args, kwargs or {})

        def enter(module: Any, _: Any) -> None:
            self._modules.append(self._paths.get(id(module), type(module).__name__))

        def leave(module: Any, _: Any, __: Any) -> None:
            self._modules.pop()

        hooks = [
            modules.register_module_forward_pre_hook(enter),
            modules.register_module_forward_hook(leave, always_call=True),
        ]
        before = sys.getprofile()

        def leaving(frame: Any, event: str, _: Any) -> None:
            if event == "return":
                self.see_names(frame)

        sys.setprofile(leaving)
        try:
            with Record():
                yield
        finally:
            sys.setprofile(before)
            for hook in hooks:
                hook.remove()

    def see_names(self, frame: Any) -> None:
        """Learn from a frame's variables what tensors are called there."""
        if not _is_own(frame) or _in_written_function(frame):
            return
        for name, value in list(frame.f_locals.items()):
            number = self._of.get(id(value)) if _is_tensor(value) else None
            if number is not None and not self.steps[number].name and name.isidentifier():
                self.steps[number].name = name


def _why_not(step: Step) -> str:
    """Why no gradient passes from what was made here; empty where it does."""
    import torch

    if step.tensor.requires_grad:
        return ""
    if step.operation in ("detach", "data"):
        return step.operation
    if not (step.tensor.is_floating_point() or step.tensor.is_complex()):
        return "whole numbers"
    return "no_grad" if not torch.is_grad_enabled() else "constant"


def _writes(name: str) -> bool:
    """Whether an operation changes what it is given: `add_`, `__iadd__`, `__setitem__`."""
    plain = name.endswith("_") and not name.endswith("__")
    return plain or name == "__setitem__" or (name.startswith("__i") and name[3:-2] in _IN_PLACE)


_IN_PLACE = {"add", "sub", "mul", "truediv", "div", "pow", "matmul", "floordiv", "mod"}


def _operation(name: str) -> str:
    return _OPERATORS.get(name, name)


def _attribute(function: Any) -> str:
    return str(getattr(getattr(function, "__self__", None), "__name__", ""))


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def _swap(value: Any, others: Iterator[tuple[Tensor, Tensor | None]]) -> Any:
    """The same nesting, with aliases for tensors where there are any, in the order of `_leaves`."""
    if isinstance(value, dict):
        return {key: _swap(item, others) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_swap(item, others) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(_swap(item, others) for item in value)
    if not _is_tensor(value):
        return value
    tensor, alias = next(others)
    return tensor if alias is None else alias


def _scalars(arguments: Any) -> str:
    """What an operation was given beside tensors, in short."""
    told = [a for a in _leaves(list(arguments)) if not _is_tensor(a) and a is not None]
    words = [f"{a:.4g}" if isinstance(a, float) else str(a) for a in told]
    return ", ".join(w for w in words if len(w) <= 12)[:24]


def _is_own(frame: Any) -> bool:
    """Whether a frame runs a person's code, not torch's or the lab's own."""
    file = frame.f_code.co_filename
    if file.endswith(_OURS):
        return False
    return not any(part in file for part in ("/torch/", "/lab/autograd/", "contextlib.py"))


def _in_written_function(frame: Any) -> bool:
    """Whether a frame runs in an autograd.Function's forward, which is one node as a whole."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "apply" and code.co_filename.endswith("torch/autograd/function.py"):
            return True
        frame = frame.f_back
    return False


def _frame() -> Any:
    frame = sys._getframe(2)
    while frame is not None and not _is_own(frame):
        frame = frame.f_back  # type: ignore[assignment]
    return frame


def _line() -> str:
    frame = _frame()
    if frame is None:
        return ""
    return f"{file_name(frame.f_code.co_filename)}:{frame.f_lineno}"


def _name_variables(recorder: Recorder) -> None:
    frame = _frame()
    if frame is not None:
        recorder.see_names(frame)


def _name_of(tensor: Tensor) -> str:
    """What the person's code calls a tensor from outside: a closure's or a global variable."""
    frame = _frame()
    if frame is None:
        return ""
    for scope in (frame.f_locals, frame.f_globals):
        for name, value in list(scope.items()):
            if value is tensor:
                return str(name)
    return ""
