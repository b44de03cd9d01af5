"""Small secrets: made once, private, opened by the key that sealed them alone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from soc_core import sealed
from soc_core.sealed import Box, Unsealable


def test_a_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    place = tmp_path / "keys" / "session.key"
    made = sealed.key(place)
    assert len(bytes.fromhex(made)) == 32
    assert sealed.key(place) == made
    assert place.stat().st_mode & 0o777 == 0o600
    assert os.listdir(place.parent) == ["session.key"]  # no draft is left


def test_of_many_at_once_the_first_ones_holds(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda n: sealed.once(tmp_path / "one", lambda: f"made by {n}"), range(32)))
    assert found == {(tmp_path / "one").read_text()}
    assert os.listdir(tmp_path) == ["one"]


def test_who_comes_second_takes_the_first_ones(tmp_path: Path) -> None:
    def late() -> str:
        (tmp_path / "one").write_text("first\n")
        return "second"

    assert sealed.once(tmp_path / "one", late) == "first"
    assert os.listdir(tmp_path) == ["one"]


def test_a_torn_key_is_said_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "torn").write_text("abc")
    with pytest.raises(OSError, match="is no key; restore it"):
        sealed.key(tmp_path / "torn")
    assert (tmp_path / "torn").read_text() == "abc"


def test_what_is_sealed_opens_in_its_own_house_alone(tmp_path: Path) -> None:
    box = Box(tmp_path / "one")
    secret = box.seal("口令")
    assert "口令" not in secret
    assert Box(tmp_path / "one").open(secret) == "口令"
    for stranger, text in ((Box(tmp_path / "two"), secret), (box, secret[:-4]), (box, "plain")):
        with pytest.raises(Unsealable, match="another key"):
            stranger.open(text)
