"""No secret is in the files of the image; its environment and history are looked at in
tests/image."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import CommandLine

pytestmark = pytest.mark.container

# As root, who sees all; layers are made of whole folders and of mounts, so none hides a file.
_LOOK = r"""
cd /
places='etc home opt root srv tmp usr/local var work'
find $places \( -name .netrc -o -name .pypirc -o -name pip.conf -o -name uv.toml -o -name .env \
  -o -name .git-credentials -o -name 'id_rsa*' -o -name 'id_ed25519*' -o -name .bash_history \
  -o -path '*/.docker/config.json' -o -name session.json -o -path '*/.ssh/*' \)
grep -rIl -e 'PRIVATE KEY-----' $places
grep -rIlE -e '[a-z]://[^/ :]+:[^/ @]+@' etc home opt/lab root
"""
# The key of a server that tornado's own tests start.
PUBLISHED = {"opt/venv/lib/python3.11/site-packages/tornado/test/test.key"}


def look(image: str, *options: str) -> set[str]:
    done = subprocess.run(
        ["docker", "run", "--rm", "--user=0", "--network=none", *options, image,
         "bash", "-c", _LOOK],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    return set(done.stdout.split())


def test_no_credential_is_in_the_image(state: Path, tmp_path: Path) -> None:
    built = CommandLine(state=state)("build", "--json", timeout=1500)
    assert built.code == 0, built.err
    image = str(built.json()["image"])
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "mirror").write_text("index-url = https://ana:geheim@mirror.example/simple\n")
    (tmp_path / ".netrc").touch()
    planted = look(image, f"--mount=type=bind,source={tmp_path},target=/opt/lab/planted")
    assert planted - PUBLISHED == {f"opt/lab/planted/{n}" for n in ("key", "mirror", ".netrc")}
    assert planted >= PUBLISHED
