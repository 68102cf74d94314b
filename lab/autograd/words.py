"""What a student reads, in Spanish and in English: refusals, findings, the report.

The texts themselves are in `texts/`, a file for each language.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from lab.errors import LabError

_TEXTS = Path(__file__).with_name("texts")
LINES = 15


@cache
def texts(language: str) -> dict[str, Any]:
    """All texts of a language."""
    with (_TEXTS / f"{language}.toml").open("rb") as file:
        return tomllib.load(file)


def refuse(key: str, language: str, **seen: Any) -> LabError:
    """The error that a person can mend, in their language."""
    if key == "returned_none":
        seen["printed"] = phrase("printed_instead", language) if seen["printed"] else ""
    if key == "raised":
        seen["where"] = f" ({seen['where']})" if seen["where"] else ""
    told = {name: text.format(**seen) for name, text in texts(language)["refusals"][key].items()}
    return LabError(told["what"], why=told["why"], next_step=told["next_step"])


def phrase(key: str, language: str, **seen: Any) -> str:
    """A part of a message."""
    return str(texts(language)["phrases"][key]).format(**seen)


def message(
    cause: str, language: str, *, number: int, name: str, index: tuple[int, ...] | None,
    analytical: float | None, numerical: float | None, uncertainty: float | None,
    output: int | None, **seen: Any,
) -> str:  # fmt: skip
    """What a finding says: where and what, both values, what to look at; up to three lines."""
    labels = texts(language)["labels"]
    told = texts(language)["causes"][cause]
    seen = {"evidence": "", "shapes": "", "place": "", **seen}
    where = f"{labels['input']} {number}" + (f" ({name})" if name else "")
    if index is not None:
        where += f", {labels['entry']} {_index(index)}"
    if output is not None:
        where += f", {labels['output']} {output}"
    lines = [f"{where}: {told['what'].format(**seen)}."]
    if analytical is not None and numerical is not None:
        lines.append(
            f"  {labels['analytical']} {analytical:.9g}, {labels['numerical']} {numerical:.9g}"
            + (f" ± {uncertainty:.1g}" if uncertainty is not None else "")
        )
    lines.append(f"  {labels['look']}: {told['look']}")
    return "\n".join(lines)


def _index(index: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, index)) + ")"


def report_text(
    *, ok: bool, messages: list[str], language: str, evaluations: int, duration_s: float, seed: int,
    printed: str,
) -> str:  # fmt: skip
    """The whole report, 15 lines at most; of what was printed the first line."""
    labels = texts(language)["labels"]
    head = labels["good" if ok else "bad"]
    foot = [labels["calls"].format(n=evaluations, s=duration_s, seed=seed)]
    if printed.strip():
        foot.append(labels["printed"].format(line=printed.strip().splitlines()[0][:60]))
    body: list[str] = []
    for number, text in enumerate(messages):
        lines = text.splitlines()
        if len(body) + len(lines) > LINES - 3 - len(foot):
            body.append(labels["more"].format(n=len(messages) - number))
            break
        body += lines
    return "\n".join([head, *body, *foot])
