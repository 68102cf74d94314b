"""Asks NVML about one GPU; a value that it does not give is missing, with its reason."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from lab.gpu.fields import Call, Field
from lab.gpu.reasons import reason_of


def errors(nvml: Any) -> tuple[type[Exception], ...]:
    """All that nvidia-ml-py raises by itself: its mismatch error is not one of its NVMLErrors."""
    return (nvml.NVMLError, nvml.NVMLLibraryMismatchError)


def code_of(error: Exception) -> int:
    """NVML's number for an error; its mismatch error, which has none, is 18."""
    return int(getattr(error, "value", 18))


class Device:
    """One GPU, or one MIG instance, while it is read.

    `calling` is the call that has not returned yet: where the GPU hangs, it is the last. `finished`
    says that everything was asked.
    """

    def __init__(self, nvml: Any, handle: Any) -> None:
        """Keep the handle, from an NVML that has been started."""
        self.nvml = nvml
        self.handle = handle
        self.values: dict[str, Any] = {}
        self.missing: dict[str, str] = {}
        self.calling = ""
        self.finished = False

    def read(self, fields: Iterable[Field]) -> None:
        """Read rows of the table into `values` and `missing`; a call of several rows is made
        once."""
        answers: dict[tuple[Call, ...], tuple[Any, str]] = {}
        for field in fields:
            if field.calls not in answers:
                answers[field.calls] = self.ask(*field.calls)
            self._keep(field.name, answers[field.calls], partial(_value, field))

    def put(self, name: str, calls: tuple[Call, ...], make: Callable[[Any], Any]) -> None:
        """Read one value by the first call that this driver has.

        Args:
            name: of the value.
            calls: to try, in this order.
            make: makes the value of the answer; None means that there is none.
        """
        self._keep(name, self.ask(*calls), make)

    def _keep(self, name: str, answered: tuple[Any, str], make: Callable[[Any], Any]) -> None:
        answer, reason = answered
        if not reason:
            try:
                answer = make(answer)
            except Exception:  # a broken driver answers what nobody foresaw
                answer = None
        if answer is None:
            self.missing[name] = reason or "not_supported"
        else:
            self.values[name] = answer

    def ask(self, *calls: Call) -> tuple[Any, str]:
        """The answer of the first call that this driver has, and why there is none."""
        answer, reason = None, "too_old"
        for call in calls:
            answer, reason = self._call(call)
            if reason not in ("too_old", "not_supported"):
                break
        return answer, reason

    def _call(self, call: Call) -> tuple[Any, str]:
        name, *arguments = call
        function = getattr(self.nvml, name, None)
        if function is None:
            return None, "too_old"
        self.calling = name
        try:
            return function(self.handle, *[self._constant(a) for a in arguments]), ""
        except errors(self.nvml) as error:
            return None, reason_of(code_of(error))
        except Exception:  # nvidia-ml-py itself stumbles over text that is no UTF-8, for one
            return None, "unknown"
        finally:
            self.calling = ""

    def _constant(self, argument: Any) -> Any:
        return getattr(self.nvml, argument) if isinstance(argument, str) else argument


def _value(field: Field, answer: Any) -> Any:
    if isinstance(field.part, str):
        answer = getattr(answer, field.part)
    elif field.part is not None:
        answer = answer[field.part]
    if field.convert is not None:
        return field.convert(answer)
    return answer if field.scale == 1 else answer * field.scale
