"""Many small segments become few large ones: by minute, then hour, then day of their writing.

A merged segment is sorted by system, then time, and has filters beside it. One that is large enough already is
only counted to the next level, so an event is rewritten three times at most, and a merge never holds more than
MAX_ROWS events in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from soc_core import clock
from soc_core.clock import Micros
from soc_core.store import _polars, segments
from soc_core.store.manifest import Segment, Spans
from soc_core.store.segments import ID, TIME

LEVELS = ((3, clock.DAY), (2, clock.HOUR), (1, clock.MINUTE))  # largest first
MAX_ROWS, MAX_BYTES = 500_000, 96 * 1024 * 1024
ORDER = ("soc.system.id", TIME, ID)


class Work(NamedTuple):
    """Segments to become one of this level; without `rewrite` they are counted to it as they are."""

    inputs: list[Segment]
    level: int
    rewrite: bool


def plan(view: Sequence[Segment], now: Micros) -> list[Work]:
    """What there is to do at this moment. Segments whose columns have changed their type since stay as they are."""
    waiting: dict[tuple[int, int], list[Segment]] = {}
    for segment in view:
        for level, span in LEVELS:
            if segment.level < level and segment.created // span < now // span:
                if segments.agrees(segment):
                    waiting.setdefault((level, segment.created // span), []).append(segment)
                break
    return [
        Work(pack, level, len(pack) > 1 or pack[0].level == 0)
        for (level, _), held in sorted(waiting.items(), key=lambda item: item[0]) for pack in _packs(held)
    ]


def _packs(held: list[Segment]) -> Iterator[list[Segment]]:
    """Neighbours in time, together at most MAX_ROWS and MAX_BYTES."""
    pack: list[Segment] = []
    for segment in sorted(held, key=lambda segment: (segment.first, segment.id)):
        rows, size = sum(s.rows for s in pack) + segment.rows, sum(s.bytes for s in pack) + segment.bytes
        if pack and (rows > MAX_ROWS or size > MAX_BYTES):
            yield pack
            pack = []
        pack.append(segment)
    if pack:
        yield pack


def merge(folder: Path, work: Work) -> tuple[Segment, Spans]:
    """The one segment that takes the place of the inputs, on disk but not yet in the manifest."""
    return _rewrite(folder, work.inputs, work.level, None)


def cut(folder: Path, segment: Segment, before: Micros) -> tuple[Segment, Spans]:
    """The segment without its events older than `before`."""
    return _rewrite(folder, [segment], segment.level, pl.col(TIME) >= _polars.moment(before))


def _rewrite(folder: Path, inputs: Sequence[Segment], level: int, keep: pl.Expr | None) -> tuple[Segment, Spans]:
    names = sorted(segments.all_columns(inputs))
    rows = segments.scan(folder, inputs, names)
    frame = segments.collect((rows if keep is None else rows.filter(keep)).select(names))
    frame = segments.conform(frame)[0].sort([name for name in ORDER if name in frame.columns])
    created = max(segment.created for segment in inputs)
    return segments.write(folder, frame, level, created, filters=level > 0), segments.spans(frame[ID])
