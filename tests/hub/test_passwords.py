"""One-time passwords: hard to guess, easy to type, and good once."""

from pathlib import Path

from hypothesis import given

from lab.hub import passwords
from tests.damage import fuzzed, refused_or, spoilt

KEY = "ana-etkls32y3j"


def test_password_is_long_enough_and_has_no_letters_that_look_alike() -> None:
    made = {passwords.make_password() for _ in range(200)}
    assert len(made) == 200
    assert {len(word) for word in made} == {17}
    assert not set("".join(made)) & set("aeiou01l5s2z6bg9q") - set("bgq")


def test_only_the_newest_fits_until_it_is_used(tmp_path: Path) -> None:
    first = passwords.give(tmp_path, KEY)
    second = passwords.give(tmp_path, KEY)
    assert not passwords.fits(tmp_path, KEY, first)
    assert passwords.fits(tmp_path, KEY, second)
    assert passwords.fits(tmp_path, KEY, f" {second.upper().replace('-', ' ')} ")
    assert not passwords.fits(tmp_path, "luis-aaaaaaaaaa", second)
    assert second not in next((tmp_path / "hub" / "one-time").iterdir()).read_text()
    passwords.used(tmp_path, KEY)
    assert not passwords.is_waiting(tmp_path, KEY)
    assert not passwords.fits(tmp_path, KEY, second)


@fuzzed
@given(content=spoilt(b'{"schema": "lab/one-time/1", "hash": "00$00", "given_utc": ""}'))
def test_damaged_password_lets_nobody_in(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hub" / "one-time" / f"{KEY}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    error = refused_or(lambda: passwords.fits(tmp_path, KEY, "bcd"))
    assert "hub.reset" in error.next_step if error else not passwords.fits(tmp_path, KEY, "bcd")
