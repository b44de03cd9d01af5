"""The records of bench/flow.py are as bench/mix.yml says: shares, sizes, news; every line is read by its format."""

from __future__ import annotations

import random
import re
from collections import Counter

from bench import _mix
from bench.flow import Sender
from collectors.parse import parse
from soc_core.protocols import Frame

COUNT = 4_000


def test_the_mix() -> None:
    kinds = _mix.mix()
    assert sum(kind.share for kind in kinds.values()) == 100
    raws = Sender(random.Random(3)).some(COUNT)
    counts = Counter[str]()
    for each in raws:
        counts[each.origin.source.split(":")[1]] += len(each.lines)
    whole = sum(counts.values())
    for name, kind in kinds.items():
        assert abs(100 * counts[name] / whole - kind.share) < 2, name
    found = parse([Frame(0, 0, each) for each in raws])
    assert found.faults == []
    assert found.batch.height == whole
    assert found.batch.column("@timestamp").null_count() == 0


def test_most_values_are_new_and_windows_events_are_large() -> None:
    raws = Sender(random.Random(4)).some(COUNT)
    lines = [line for each in raws for line in each.lines]
    assert len(set(lines)) == len(lines)
    assert all(len(line) >= 2048 for each in raws if ":windows:" in each.origin.source for line in each.lines)
    words = Counter(word for line in lines for word in set(re.findall(rb"[\w.]{4,}", line)) if re.search(rb"\d", word))
    values = [count for count in words.values() if count < COUNT / 50]  # what is in every line is its form
    assert len(values) > sum(values) / 2


def test_positions_go_on() -> None:
    sender = Sender(random.Random(5))
    first, second = sender.some(COUNT), sender.some(COUNT)
    for one, other in zip(first, second, strict=True):
        assert one.positions is not None
        assert other.positions is not None
        assert one.origin.source == other.origin.source
        assert other.positions[0] == one.positions[-1] + 1
