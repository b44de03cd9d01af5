"""A stack trace is one event with all its lines wherever the batches are cut; another source's lines are none of it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from collectors.assembly import assemble
from collectors.continuation import HOLD, continued
from collectors.parse import parse
from soc_core import clock, registry
from soc_core.held import pick
from soc_core.identify import identify, records
from soc_core.protocols import Frame, Ints, Origin, Raws
from tests.collectors.formats.fixtures import HERE, rows

RECEIVED = clock.from_text("2026-11-23T00:00:00Z")
TRACE = [
    b"2026-11-20 09:00:00,123 ERROR [main] cn.example.App - it failed",
    b"java.lang.IllegalStateException: no seat",
    b"\tat cn.example.App.run(App.java:10)",
    b"\tat cn.example.App.main(App.java:3)",
    b"2026-11-20 09:00:01,123 INFO [main] cn.example.App - goes on",
]
SLOW = [
    b"# Time: 2026-11-20T01:00:00.000000Z",
    b"# User@Host: root[root] @ localhost []  Id: 5",
    b"# Query_time: 1.000000  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 0",
    b"SET timestamp=1763600400;",
    b"SELECT 1,", b"  2;",
]


def frames_of(lines: Sequence[tuple[str, bytes]], format_: str, at: int = 0) -> list[Frame]:
    return [Frame(0, at + number, Raws(Origin(source=source, format=format_), [line], RECEIVED))
            for number, (source, line) in enumerate(lines)]


def worked(lines: Sequence[tuple[str, bytes]], format_: str, cuts: Sequence[int]) -> list[dict[str, object]]:
    """Events with their originals, the lines given in batches cut there."""
    found = []
    held: tuple[Frame, ...] = ()
    for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True):
        frames = [*held, *frames_of(lines[start:end], format_, start)]
        known = records(frames, "epoch")
        made = assemble(parse(frames), frames, clock.LATEST if end == len(lines) else 0)
        batch, _ = identify(made.parsed, known)
        found += rows(batch)
        held = pick(known, known.number(*map(_column, zip(*made.held, strict=True)))) if made.held else ()
    assert not held
    return sorted(found, key=lambda row: row["event.id"])


def _column(numbers: Sequence[int]) -> Ints:
    return np.array(numbers, dtype=np.int64)


@pytest.mark.parametrize(("lines", "format_", "originals"), [
    (TRACE, "application", ["\n".join(line.decode() for line in TRACE[:4]), TRACE[4].decode()]),
    (SLOW * 2, "mysql", ["\n".join(line.decode() for line in SLOW)] * 2),
])
def test_any_cut_gives_the_same(lines: list[bytes], format_: str, originals: list[str]) -> None:
    given = [("a", line) for line in lines]
    whole = worked(given, format_, [])
    assert [row["event.original"] for row in whole] == originals
    for cut in range(1, len(lines)):
        assert worked(given, format_, [cut]) == whole, cut
    assert worked(given, format_, list(range(1, len(lines)))) == whole


LASTING = [name for name in registry.names("collectors.formats") if continued(name)]


@pytest.mark.parametrize("name", LASTING)
def test_any_cut_of_the_samples_gives_the_same(name: str) -> None:
    lines = [("a", line) for log in sorted((HERE / name).glob("*.log"))
             for line in log.read_bytes().split(b"\n")[:-1]][:40]
    whole = worked(lines, name, [])
    for cut in range(1 + time.gmtime().tm_yday % 4, len(lines), 4):
        assert worked(lines, name, [cut]) == whole, lines[cut]


def test_sources_do_not_mix() -> None:
    mixed = [("a", TRACE[0]), ("b", b"\tat cn.example.Other.run(Other.java:1)"), ("a", TRACE[1]), ("a", TRACE[2])]
    frames = frames_of(mixed, "application")
    made = assemble(parse(frames), frames, clock.LATEST)
    assert [fault.frame for fault in made.parsed.faults] == [1]
    assert made.parsed.joined == [((0, 0), (2, 0), (3, 0))]


def test_the_last_record_waits_no_longer_than_it_must() -> None:
    frames = frames_of([("a", TRACE[0])], "application")
    waiting = assemble(parse(frames), frames, RECEIVED)
    assert (waiting.held, waiting.due, waiting.parsed.batch.height) == ([(0, 0)], RECEIVED + HOLD, 0)
    assert assemble(parse(frames), frames, RECEIVED + HOLD + 1).held == []
    later = [*frames, Frame(0, 1, Raws(Origin(source="b", format="syslog"), [b"x"], RECEIVED + HOLD + 1))]
    assert assemble(parse(later), later, 0).held == []
