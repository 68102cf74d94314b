"""What students read: spelled right in both languages, links that lead somewhere, pictures that
say what they show."""

import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.course.exercise import exercises
from lab.course.source import Source, build, sources
from lab.course.texts import texts
from lab.language import LANGUAGES, Language

# Names, terms and loans that no dictionary has; a line each.
OWN_WORDS = Path(__file__).with_name("words.txt")
# Documentation that stays where it is; a link elsewhere is a decision to be made here.
SITES = {"docs.pytorch.org", "numpy.org", "docs.python.org", "matplotlib.org", "doi.org",
         "jupyterlab.readthedocs.io", "developer.nvidia.com", "docs.nvidia.com",
         "creativecommons.org", "en.wikipedia.org", "es.wikipedia.org"}  # fmt: skip
_NO_PROSE = re.compile(
    r"```.*?```|\$\$.*?\$\$|\$[^$]+\$|`[^`]+`|<!--.*?-->|\]\([^)]*\)|https?://\S+|<[^>]+>",
    re.DOTALL,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]*)[^)]*\)")


_DICTIONARIES = {"es": "es_ES", "en": "en_GB"}


@cache
def _own_words() -> set[str]:
    lines = OWN_WORDS.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def misspelt(text: str, language: Language) -> set[str]:
    """Words that are in no dictionary; those in capitals are names."""
    words = {w.replace("’", "'") for w in _WORD.findall(_NO_PROSE.sub(" ", text))}
    asked = {w for w in words if not w.isupper() and len(w) > 2} - _own_words()
    done = subprocess.run(
        ["hunspell", "-l", "-i", "utf-8", "-d", _DICTIONARIES[language]],
        input="\n".join(sorted(asked)), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split()) - _own_words()


def prose(source: Source, language: Language) -> str:
    cells = build(source, language).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.spelling
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", sources(), ids=lambda s: s.key)
def test_prose_is_spelled_right(source: Source, language: Language) -> None:
    assert misspelt(prose(source, language), language) == set()


@pytest.mark.spelling
@pytest.mark.parametrize("language", LANGUAGES)
def test_hints_and_messages_are_spelled_right(language: Language) -> None:
    hints = [m.hint.text(language) for e in exercises().values() for m in e.mistakes]
    messages = [re.sub(r"\{\w+\}", " ", text) for text in texts(language).values()]
    assert misspelt("\n".join(hints + messages), language) == set()


@pytest.mark.spelling
@pytest.mark.parametrize("language", LANGUAGES)
def test_check_of_spelling_can_fail(language: Language) -> None:
    assert misspelt("gradeint tensro", language) == {"gradeint", "tensro"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", sources(), ids=lambda s: s.key)
def test_links_and_pictures(source: Source, language: Language) -> None:
    for picture, words, target in _LINK.findall(prose(source, language)):
        assert len(words.strip()) > (10 if picture else 1), (picture, words, target)
        if target.startswith("#") or "://" not in target:
            pytest.fail(f"{target}: a notebook is renamed and moved, so that only addresses hold")
        address = urlsplit(target)
        assert (address.scheme, address.netloc in SITES) == ("https", True), target


@pytest.mark.parametrize("source", sources(), ids=lambda s: s.key)
def test_both_languages_link_to_the_same_pages(source: Source) -> None:
    def pages(language: Language) -> set[str]:
        found = {target for _, _, target in _LINK.findall(prose(source, language))}
        return {page for page in found if "wikipedia" not in page}

    assert pages("es") == pages("en")


@pytest.mark.parametrize("source", sources(), ids=lambda s: s.key)
def test_code_speaks_no_language(source: Source) -> None:
    """Both languages share it: a comment or a text in one would be foreign in the other."""
    for cell in build(source, "es").cells:
        if cell.cell_type == "code":
            assert not re.search(r"^\s*#", cell.source, re.MULTILINE), cell.source
