import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lab.gpu.cuda_order import cuda_indices
from tests.gpu.sample import BUSY, several

THREE = several(3)


def test_identical_gpus_are_counted_by_address() -> None:
    """NVML's order is not the address's everywhere."""
    swapped = [
        replace(THREE[0], pci_bus_id="00000000:09:00.0"),
        *THREE[1:],
    ]
    assert cuda_indices(swapped, {}) == {0: 2, 1: 0, 2: 1}


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("2,0", {0: 1, 1: "hidden", 2: 0}),
        ("", {0: "hidden", 1: "hidden", 2: "hidden"}),
        ("-1", {0: "hidden", 1: "hidden", 2: "hidden"}),
        ("0,7,1", {0: 0, 1: "hidden", 2: "hidden"}),  # the list ends at what names no GPU
        ("1,1", {0: "hidden", 1: 0, 2: "hidden"}),
        ("GPU-1", {0: "hidden", 1: 0, 2: "hidden"}),
        ("GPU-", {0: "hidden", 1: "hidden", 2: "hidden"}),  # names more than one
        (" 1 , 0", {0: 1, 1: 0, 2: "hidden"}),
    ],
)
def test_visible_devices_choose_and_order(visible: str, expected: dict[int, object]) -> None:
    assert cuda_indices(THREE, {"CUDA_VISIBLE_DEVICES": visible}) == expected


def test_order_of_different_gpus_is_known_only_by_address() -> None:
    """By default CUDA puts the fastest first; which that is, is CUDA's to say."""
    mixed = several(2, name="NVIDIA L4")
    assert cuda_indices(mixed, {}) == {0: "unknown_order", 1: "unknown_order"}
    assert cuda_indices(mixed, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}) == {0: 0, 1: 1}
    assert cuda_indices(mixed, {"CUDA_VISIBLE_DEVICES": "GPU-1"}) == {0: "hidden", 1: 0}


def test_gpu_with_instances_has_no_number_of_its_own() -> None:
    assert cuda_indices([replace(BUSY, mig_enabled=True)], {}) == {0: "mig"}


@given(visible=st.text(alphabet="012,-GPU xé", max_size=20), count=st.integers(0, 4))
def test_any_text_gives_each_gpu_a_number_or_a_reason(visible: str, count: int) -> None:
    gpus = several(count) if count else []
    found = cuda_indices(gpus, {"CUDA_VISIBLE_DEVICES": visible})
    assert found.keys() == {gpu.index for gpu in gpus}
    numbers = [n for n in found.values() if isinstance(n, int)]
    assert len(set(numbers)) == len(numbers)
