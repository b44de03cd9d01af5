"""The queue between sockets and journal: nobody is starved, and what must go goes by value and is counted."""

from __future__ import annotations

from collections import Counter

import pytest

from collectors.sources import _inbox
from collectors.sources._inbox import OVERHEAD, Inbox
from soc_core.protocols import Raws

LINE = b"x" * 36  # with OVERHEAD 100 bytes


def made(monkeypatch: pytest.MonkeyPatch, values: dict[str, int] | None, records: int = 1000, share: int = 1 << 30
         ) -> Inbox:
    monkeypatch.setattr(_inbox, "RECORDS", records)
    monkeypatch.setattr(_inbox, "CAPACITY", records * (len(LINE) + OVERHEAD))
    monkeypatch.setattr(_inbox, "SHARE", share)
    return Inbox("udp", "city", "UTC", value=None if values is None else values.__getitem__)


def peers(raws: list[Raws]) -> dict[str, int]:
    return {batch.origin.peer: len(batch.lines) for batch in raws}


def test_a_flood_costs_only_its_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """The noisy one is of the highest value, and the quiet ones lose nothing."""
    inbox = made(monkeypatch, {"noisy": 3, "quiet": 0, "calm": 1})
    sent: Counter[str] = Counter()
    for number in range(500):
        for peer, count in (("noisy", 50), ("quiet", number % 2), ("calm", number % 3 == 0)):
            inbox.put(peer, [LINE] * count)
            sent[peer] += count
    got = peers(inbox.take())
    assert (got["quiet"], got["calm"]) == (sent["quiet"], sent["calm"])
    assert 300 <= got["noisy"] < 1000
    assert inbox.shed == inbox.received - sum(got.values()) == sent["noisy"] - got["noisy"]
    assert inbox.open.is_set()
    assert inbox.empty


def test_of_many_that_are_too_much_the_least_valued_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {f"low{n}": 0 for n in range(10)} | {f"mid{n}": 1 for n in range(5)} | {f"high{n}": 3 for n in range(5)}
    inbox = made(monkeypatch, values)
    for _ in range(30):
        for peer in values:
            inbox.put(peer, [LINE] * 2)  # 1,200 in all: a fifth too much, and nobody above an even share for long
    got = peers(inbox.take())
    by = {kind: sum(count for peer, count in got.items() if peer.startswith(kind)) for kind in ("low", "mid", "high")}
    assert by["high"] >= 0.9 * 300
    assert by["mid"] >= 0.8 * 300
    assert by["low"] < 0.8 * 600
    assert inbox.received == 1200 == sum(got.values()) + inbox.shed


def test_nothing_is_shed_where_senders_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = made(monkeypatch, None)
    inbox.put("a", [LINE] * 900)
    assert inbox.open.is_set()
    inbox.put("a", [LINE] * 900)
    assert (inbox.open.is_set(), inbox.shed) == (False, 0)
    assert peers(inbox.take()) == {"a": 1800}
    assert inbox.open.is_set()


def test_each_hands_over_its_share_in_turn_and_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = made(monkeypatch, None, share=100)
    inbox.put("noisy", [b"%d" % n for n in range(250)], {3: "cut", 130: "cut", 249: "cut"})
    inbox.put("quiet", [b"q"])
    rounds = [inbox.take() for _ in range(3)]
    assert [peers(each) for each in rounds] == [{"noisy": 100, "quiet": 1}, {"noisy": 100}, {"noisy": 50}]
    noisy = [batch for each in rounds for batch in each if batch.origin.peer == "noisy"]
    assert [line for batch in noisy for line in batch.lines] == [b"%d" % n for n in range(250)]
    assert [batch.damaged for batch in noisy] == [{3: "cut"}, {30: "cut"}, {49: "cut"}]
    assert inbox.empty
    assert inbox.take() == []
