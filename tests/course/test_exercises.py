"""Every exercise: the right answer passes, each typical mistake gets its own hint, on 20 seeds."""

import pytest

from lab.course.exercise import Exercise, exercises
from lab.course.judging import judge
from lab.language import LANGUAGES

_ALL = list(exercises().values())
_MISTAKES = [(e, m) for e in _ALL for m in e.mistakes]


@pytest.mark.parametrize("exercise", _ALL, ids=lambda e: e.number)
def test_right_answer_passes_on_every_seed(exercise: Exercise) -> None:
    for seed in range(20):
        outcome = judge(exercise, exercise.right, seed=seed)
        assert outcome.right, (seed, outcome)


@pytest.mark.parametrize(
    ("exercise", "mistake"), _MISTAKES, ids=[f"{e.number}-{m.name}" for e, m in _MISTAKES]
)
def test_typical_mistake_gets_its_own_hint_on_every_seed(exercise: Exercise, mistake) -> None:  # type: ignore[no-untyped-def]
    for seed in range(20):
        language = LANGUAGES[seed % 2]
        outcome = judge(exercise, mistake.answer, seed=seed, language=language)
        assert (outcome.state, outcome.mistake) == ("wrong", mistake.name), (seed, outcome)
        assert outcome.hint.startswith(mistake.hint.text(language))


@pytest.mark.parametrize("exercise", _ALL, ids=lambda e: e.number)
def test_exercise_knows_two_mistakes_at_least_each_with_a_hint_of_its_own(
    exercise: Exercise,
) -> None:
    assert len(exercise.mistakes) >= 2
    for language in LANGUAGES:
        hints = [mistake.hint.text(language) for mistake in exercise.mistakes]
        assert len(set(hints)) == len(hints)
    assert all(mistake.hint.es != mistake.hint.en for mistake in exercise.mistakes)


@pytest.mark.parametrize("exercise", _ALL, ids=lambda e: e.number)
def test_nothing_answered_yet_is_neither_right_nor_wrong(exercise: Exercise) -> None:
    assert judge(exercise, ...).state == "pending"
    if callable(exercise.right):
        assert judge(exercise, lambda *inputs: ...).state == "pending"
