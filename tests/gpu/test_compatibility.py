import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.gpu.compatibility import (
    LEAST_DRIVER,
    MAJOR_FLOOR,
    WHEEL_ARCHITECTURES,
    architecture_for,
    cuda_of_driver,
    judge_driver,
    parse_version,
)

numbers = st.lists(st.integers(0, 999), min_size=1, max_size=4)
drivers = st.tuples(st.integers(400, 700), st.integers(0, 300), st.integers(0, 99)).map(
    lambda parts: f"{parts[0]}.{parts[1]:02}.{parts[2]:02}"
)
cudas = st.sampled_from(sorted(LEAST_DRIVER))
ORDER = ["too_old", "minor", "native"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("580.65.06", (580, 65, 6)), ("570.26", (570, 26)), ("570.00", (570,)), ("0.0", (0,))],
)
def test_version_is_its_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert parse_version(text) == expected


@pytest.mark.parametrize(
    "text", ["", "580.", ".65", "580.65-06", "v580", " 580", "580\n", "٥٨٠.65"]
)
def test_version_of_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        parse_version(text)


@given(numbers, st.integers(0, 3))
def test_version_is_the_same_with_zeros_at_its_end(parts: list[int], zeros: int) -> None:
    text = ".".join(map(str, parts))
    assert parse_version(text + ".00" * zeros) == parse_version(text)


@given(numbers, numbers)
def test_version_compares_as_padded_numbers(left: list[int], right: list[int]) -> None:
    def padded(parts: list[int]) -> list[int]:
        return parts + [0] * (4 - len(parts))

    first, second = (parse_version(".".join(map(str, parts))) for parts in (left, right))
    assert (first < second) == (padded(left) < padded(right))


@pytest.mark.parametrize(
    ("driver", "cuda"),
    [
        ("580.65.06", (13, 0)),
        ("580.65.05", (12, 9)),
        ("580.126.09", (13, 0)),
        ("570.124.06", (12, 8)),  # 124 > 26, though "124" sorts before "26"
        ("535.104.05", (12, 2)),
        ("450.80.02", None),
    ],
)
def test_driver_brings_the_cuda_of_the_table(driver: str, cuda: tuple[int, int] | None) -> None:
    assert cuda_of_driver(driver) == cuda


@given(cudas)
def test_least_driver_runs_its_own_cuda(cuda: tuple[int, int]) -> None:
    judged = judge_driver(LEAST_DRIVER[cuda], cuda)
    assert (judged.outcome, judged.driver_cuda) == ("native", cuda)


@given(drivers, drivers, cudas)
def test_newer_driver_is_never_judged_worse(one: str, other: str, cuda: tuple[int, int]) -> None:
    older, newer = sorted((one, other), key=parse_version)
    worse, better = (ORDER.index(judge_driver(d, cuda).outcome) for d in (older, newer))
    assert worse <= better


@given(drivers, cudas)
def test_too_old_driver_is_below_the_floor_of_its_major(driver: str, cuda: tuple[int, int]) -> None:
    old = judge_driver(driver, cuda).outcome == "too_old"
    assert old == (parse_version(driver) < parse_version(MAJOR_FLOOR[cuda[0]]))


@given(drivers, cudas)
def test_compat_libraries_help_where_nothing_else_does(driver: str, cuda: tuple[int, int]) -> None:
    plain = judge_driver(driver, cuda).outcome
    helped = judge_driver(driver, cuda, data_centre_compat=True).outcome
    assert helped == ("forward" if plain == "too_old" else plain)


@pytest.mark.parametrize(
    ("driver", "cuda", "outcome"),
    [
        ("580.65.06", (13, 0), "native"),
        ("575.51.03", (13, 0), "too_old"),
        ("525.60.13", (12, 9), "minor"),
        ("450.80.02", (11, 8), "minor"),
        ("525.60.12", (12, 0), "too_old"),
        ("580.65.06", (13, 9), "minor"),  # a CUDA newer than the table
        ("610.43.02", (14, 0), "too_old"),  # a major newer than the table
    ],
)
def test_driver_is_judged_by_the_rules(driver: str, cuda: tuple[int, int], outcome: str) -> None:
    assert judge_driver(driver, cuda).outcome == outcome


def test_judgement_names_the_driver_to_have() -> None:
    assert judge_driver("535.104.05").least_driver == "580.65.06"


def test_table_grows_with_cuda() -> None:
    versions = [parse_version(LEAST_DRIVER[cuda]) for cuda in sorted(LEAST_DRIVER)]
    assert versions == sorted(versions)


@pytest.mark.parametrize(
    ("capability", "name"),
    [
        ((7, 5), "sm_75"),  # T4
        ((8, 0), "sm_80"),  # A100
        ((8, 9), "sm_86"),  # L4, RTX 40
        ((9, 0), "sm_90"),  # H100, H200
        ((10, 3), "sm_100"),  # B300
        ((12, 1), "sm_120"),  # GB10
        ((7, 0), None),  # V100
        ((6, 1), None),
        ((11, 0), None),
    ],
)
def test_gpu_runs_the_code_of_its_own_major(capability: tuple[int, int], name: str | None) -> None:
    assert architecture_for(capability) == name


@given(st.integers(5, 13), st.integers(0, 9), st.sets(st.sampled_from(WHEEL_ARCHITECTURES)))
def test_architecture_rule_holds_for_every_gpu(major: int, minor: int, built: set[str]) -> None:
    fitting = [m for m in range(minor + 1) if f"sm_{major}{m}" in built]
    expected = f"sm_{major}{max(fitting)}" if fitting else None
    assert architecture_for((major, minor), tuple(built)) == expected


def test_code_for_one_exact_gpu_runs_on_no_other() -> None:
    assert architecture_for((9, 0), ("sm_90a",)) == "sm_90a"
    assert architecture_for((10, 3), ("sm_100a", "compute_100", "odd")) is None
