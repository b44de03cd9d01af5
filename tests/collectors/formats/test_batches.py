"""A record becomes the same event whatever stands beside it: all together, each alone, and in another order.

Formats read many records at once to be fast; read one at a time there is nothing to share, so this is the slow way.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest

from bench.normalise import MAKERS
from collectors.formats import suricata_eve, windows_event
from soc_core.schema import SCHEMA
from tests.collectors.formats.fixtures import CONTEXT, rows
from tests.corpora import corpus

FORMATS = {"windows_event": windows_event, "suricata_eve": suricata_eve}


def events(name: str, lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """The events, in columns of exactly the schema's types."""
    parsed = FORMATS[name].parse(lines, CONTEXT)
    for part in parsed.batch.parts:
        assert dict(part.frame.schema) == {column: SCHEMA.dtype(column) for column in part.frame.columns}
    return rows(parsed.batch)


def same_in_any_company(name: str, lines: list[bytes]) -> None:
    together = events(name, lines)
    assert together == [event for line in lines for event in events(name, [line])]
    order = list(range(len(lines)))
    random.Random(5).shuffle(order)
    assert events(name, [lines[n] for n in order]) == [together[n] for n in order]


@pytest.mark.parametrize("name", FORMATS)
def test_made_records(name: str) -> None:
    same_in_any_company(name, list(islice(MAKERS[name](random.Random(11)), 60)))


def test_windows_recordings() -> None:
    lines: list[bytes] = []
    for path in sorted(corpus("otrf").rglob("*.jsonl.gz"))[::6]:
        with gzip.open(path) as opened:
            lines += [line.rstrip(b"\n") for line in islice(opened, 0, 400, 57)]
    picked = random.Random(12).sample(lines, min(len(lines), 150))
    read = [line for line in picked if not windows_event.parse([line], CONTEXT).faults]
    assert len(read) > 60
    same_in_any_company("windows_event", read)
