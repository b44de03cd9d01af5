"""Slowing down who guesses: how long a key waits, when it may try again, and that memory is bounded."""

from __future__ import annotations

import pytest

from soc_api import auth
from soc_api.auth import Throttle, same_origin


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    made = Hand()
    monkeypatch.setattr(auth, "time", made)
    return made


def test_a_key_waits_until_its_first_failure_is_out_of_the_window(hand: Hand) -> None:
    throttle = Throttle(tries=3, seconds=100.0)
    for _ in range(3):
        assert throttle.wait("zhao") == 0
        throttle.failed("zhao")
        hand.at += 20
    assert (throttle.wait("zhao"), throttle.wait("qian")) == (40, 0)
    hand.at += 39.5
    assert throttle.wait("zhao") == 1
    hand.at += 0.5  # the first is a whole window ago: two are left
    assert throttle.wait("zhao") == 0
    throttle.failed("zhao")
    assert throttle.wait("zhao") == 20
    throttle.clear("zhao")
    assert throttle.wait("zhao") == 0


def test_what_is_over_is_forgotten_and_so_is_the_oldest_of_too_many(hand: Hand) -> None:
    throttle = Throttle(tries=1, seconds=10.0)
    throttle.failed("first")
    hand.at += 10
    assert throttle.wait("first") == 0
    assert throttle._failures == {}
    for number in range(10_002):
        throttle.failed(str(number))
    assert len(throttle._failures) == 10_001
    assert (throttle.wait("0"), throttle.wait("1")) == (0, 10)


@pytest.mark.parametrize(("origin", "ours"), [
    ("", True), ("https://soc.example", True), ("http://soc.example", True), ("https://other.example", False),
    ("https://soc.example:8443", False), ("soc.example", False), ("null", False),
])
def test_a_page_of_another_site_changes_nothing(origin: str, ours: bool) -> None:
    assert same_origin(origin, "soc.example") is ours
