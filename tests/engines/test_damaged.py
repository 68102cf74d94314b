"""Specifications of GPUs for containers, damaged at random: each is told of, none ends the
command."""

import json
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from lab.doctor.cdi import check_cdi, read_cdi_state
from lab.engines.probe import gpu_names, read_cdi_files
from tests.damage import fuzzed, spoilt, spoilt_bytes
from tests.engines.test_probe import CDI

AS_JSON = json.dumps(yaml.safe_load(CDI)).encode()


@fuzzed
@given(text=spoilt_bytes(CDI.encode()), document=spoilt(AS_JSON))
def test_damaged_specification_hides_no_other(tmp_path: Path, text: bytes, document: bytes) -> None:
    files = {"a.yaml": text, "b.json": document, "c.yaml": CDI.encode()}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    found = read_cdi_files((str(tmp_path),))
    assert "nvidia.com/gpu=GPU-8d7c" in gpu_names(found)
    assert check_cdi([read_cdi_state(file) for file in found], "580.65.06", asked=True)
    assert {name: (tmp_path / name).read_bytes() for name in files} == files


@fuzzed
@given(content=st.one_of(st.binary(max_size=40), st.text(alphabet="{}[]&*!?:,-'\"| \n0aé")
                         .map(str.encode)))  # fmt: skip
def test_any_bytes_are_a_specification_or_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    for file in read_cdi_files((str(tmp_path),)):
        read_cdi_state(file)


def test_specification_that_is_nested_without_end_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("[" * 2000)
    (found,) = read_cdi_files((str(tmp_path),))
    assert found.error
