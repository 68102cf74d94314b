"""Variables that change what is computed."""

import pytest

from lab.receipt.settings import is_of_threads, read_settings


def test_variables_that_count_are_told_and_others_are_not() -> None:
    environ = {
        "OMP_NUM_THREADS": "1", "MKL_CBWR": "AVX2", "LD_PRELOAD": "x.so", "HOME": "/home/ana",
        "TORCH_HOME": "/x", "CUDA_VISIBLE_DEVICES": "0", "LAB_STATE": "/y", "TOKEN": "secret",
    }  # fmt: skip
    assert read_settings(environ) == {
        "LD_PRELOAD": "x.so", "MKL_CBWR": "AVX2", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "of_threads"),
    [("OMP_NUM_THREADS", True), ("MKL_NUM_THREADS", True), ("KMP_AFFINITY", True),
     ("MKL_CBWR", False), ("ATEN_CPU_CAPABILITY", False)],
)  # fmt: skip
def test_threads_are_told_apart(name: str, of_threads: bool) -> None:
    assert is_of_threads(name) is of_threads
