"""The Dockerfile's two targets: what is proven of one build holds of the other's steps."""

import re

from tests.conftest import ROOT


def stages() -> dict[str, list[str]]:
    """The steps of each stage, by its name; comments apart."""
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    steps = re.sub(r"\\\n\s*", "", plain).splitlines()
    found: dict[str, list[str]] = {}
    for step in filter(None, steps):
        if step.startswith("FROM "):
            found[step.split()[-1]] = []
        [*_, last] = found
        found[last].append(step)
    return found


def as_cpu(steps: list[str]) -> list[str]:
    """Without what tells the targets apart: their name, and what the NVIDIA toolkit reads."""
    words = [re.sub(r"NVIDIA_\w+=\S+\s*", "", step) for step in steps]
    return [re.sub(r"\bcuda\b", "cpu", word) for word in words]


def test_both_targets_have_the_same_steps_on_the_same_stages() -> None:
    """The image for CUDA costs 3 GB to build: two engines build the other one, for real."""
    found = stages()
    assert len(found) > 7
    for name in ("cuda", "cuda-packages"):
        assert as_cpu(found[name]) == found[name.replace("cuda", "cpu")]
    assert found["cuda"] != found["cpu"]


def test_what_is_shared_names_neither_target() -> None:
    shared = {name: steps for name, steps in stages().items() if not re.match("cpu|cuda", name)}
    assert shared.keys() == {"base", "wheelhouse", "system", "installer", "code", "runtime"}
    assert not [step for steps in shared.values() for step in steps if re.search("cpu|cuda", step)]
