"""From parsed frames to events with identity: who they are, where they came from, when they were received."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import NamedTuple

import numpy as np
import polars as pl

from soc_core import clock, identity
from soc_core.events import EventBatch, Varying
from soc_core.protocols import Frame, Ints, Origin, ParsedFrames
from soc_core.schema import SCHEMA
from soc_core.table import picked
from soc_core.text import decode_all
from soc_core.written import Written

STAMP = pl.Datetime("us", "UTC")


class Records(NamedTuple):
    """The records (lines) of several frames as columns: what is known of each before it is parsed."""

    frames: Sequence[Frame]
    start: Ints  # number of the first record of each frame, and their total at the end
    frame: Ints  # per record: its frame
    offset: Ints  # per record: its number in the journal partition
    position: Ints  # per record: its place in the source, or in the journal
    key: identity.Keys  # per record: the number of its source

    @property
    def total(self) -> int:
        return int(self.start[-1])

    def origin(self, row: int) -> Origin:
        """What is known of the source of a record."""
        return self.frames[int(self.frame[row])].raws.origin

    def number(self, frame_no: Ints, line_no: Ints) -> Ints:
        """Record numbers of (frame, line) pairs."""
        found: Ints = self.start[frame_no] + line_no
        return found


def records(frames: Sequence[Frame], epoch: str) -> Records:
    """Lay the records of the frames out in columns."""
    sizes = np.array([len(frame.raws.lines) for frame in frames], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    offsets, positions, keys = [], [], []
    for frame, size in zip(frames, sizes, strict=True):
        own = np.arange(frame.first, frame.first + size, dtype=np.int64)
        source = frame.raws.origin.source
        if frame.raws.origin.series:
            source = f"{source}:{frame.raws.origin.series}"
        if frame.raws.positions is None:
            source = identity.journal_source(epoch, frame.partition)
        known = frame.raws.origin.identity
        offsets.append(own)
        positions.append(own if frame.raws.positions is None else frame.raws.positions)
        keys.append(np.full(size, int(known, 16) if known else identity.source_number(source), dtype=np.uint64))
    empty = np.empty(0, dtype=np.int64)
    return Records(
        frames,
        start,
        np.repeat(np.arange(len(frames), dtype=np.int64), sizes),
        np.concatenate(offsets) if offsets else empty,
        np.concatenate(positions) if positions else empty,
        np.concatenate(keys) if keys else empty.astype(np.uint64),
    )


def record_ids(known: Records, rows: Ints) -> list[str]:
    """Ids of whole records (as of their first event): the names of quarantine rows."""
    return identity.event_ids(known.key[rows], known.position[rows], np.zeros(len(rows), dtype=np.int64)).to_list()


def identify(parsed: ParsedFrames, known: Records) -> tuple[EventBatch, Ints]:
    """The batch with identity, receipt, original and origin added; and the record number of each event."""
    batch = _datable(parsed.batch)
    record = known.number(parsed.frame_no, parsed.line_no)
    fresh = np.ones(len(record), dtype=bool)
    fresh[1:] = record[1:] != record[:-1]
    first = np.maximum.accumulate(np.where(fresh, np.arange(len(record)), 0)) if len(record) else record
    nth = np.arange(len(record), dtype=np.int64) - first
    positions = known.position[record]
    identity.check(positions, nth)
    received = np.array([frame.raws.received for frame in known.frames], dtype=np.int64)[parsed.frame_no]
    ingested = pl.Series("event.ingested", received, dtype=pl.Int64).cast(STAMP)
    at = batch.column("@timestamp")
    columns: dict[str, Varying | str | int | None] = {
        "event.id": lambda: identity.event_ids(known.key[record], positions, nth),
        "event.ingested": ingested,
        "event.original": _written(known, record, parsed.joined),
        "soc.offset": pl.Series("soc.offset", known.offset[record], dtype=pl.Int64),
        "soc.partition": known.frames[0].partition if known.frames else 0,
    }
    if at.null_count():
        columns["@timestamp"] = at.zip_with(at.is_not_null(), ingested)
    for name, values in (
        ("soc.source", [frame.raws.origin.source for frame in known.frames]),
        ("soc.zone", [frame.raws.origin.zone for frame in known.frames]),
        ("soc.realm", [frame.raws.origin.realm for frame in known.frames]),
        ("soc.peer", [frame.raws.origin.peer or None for frame in known.frames]),
    ):
        if len(set(values)) == 1:
            columns[name] = values[0]
        else:
            columns[name] = pl.Series(name, values, dtype=pl.String).gather(parsed.frame_no)
    return batch.with_columns(columns), record


def _datable(batch: EventBatch) -> EventBatch:
    """The batch without times that no calendar has: one of them would stop everybody who reads the events later."""
    dates = [name for name in batch.fields if isinstance(SCHEMA.dtype(name), pl.Datetime)]
    odd = [name for name in dates if not _sane(batch.column(name))]
    if not odd:
        return batch
    return batch.with_columns({name: _sound(batch.column(name)) for name in odd})


def _sound(times: pl.Series) -> pl.Series:
    at = times.to_physical()
    return times.set(~at.is_between(clock.EARLIEST, clock.LATEST), None)


def _sane(times: pl.Series) -> bool:
    at = times.to_physical()
    first, last = at.min(), at.max()
    return not isinstance(first, int) or not isinstance(last, int) or (
        first >= clock.EARLIEST and last <= clock.LATEST)


def _written(known: Records, record: Ints, joined: Sequence[Sequence[tuple[int, int]]]) -> Varying:
    """The text of each event's record, with its bytes where they are one line of no other encoding."""

    def make() -> pl.Series:
        return _originals(known, record, joined)

    if joined or not len(record) or any(frame.raws.origin.encoding for frame in known.frames):
        return make
    frames = known.frames
    lines: Sequence[bytes] = (
        frames[0].raws.lines if len(frames) == 1 else [line for frame in frames for line in frame.raws.lines])
    return Written(lines if _each(record, lines) else picked(lines, record), make)


def _each(record: Ints, held: Sized) -> bool:
    """Whether the events are the records one by one."""
    return len(record) == len(held) and np.array_equal(record, np.arange(len(record)))


def _originals(known: Records, record: Ints, joined: Sequence[Sequence[tuple[int, int]]]) -> pl.Series:
    """The text of each event's record; of a joined event all of its lines."""
    whole = None if joined else _plain(known.frames)
    if whole is None:
        lines: list[str] = []
        for frame in known.frames:
            lines += decode_all(frame.raws.lines, frame.raws.origin.encoding)
        for places in joined:
            rows = [int(known.start[frame]) + line for frame, line in places]
            lines[rows[0]] = "\n".join([lines[row] for row in rows])
        whole = pl.Series("event.original", lines, dtype=pl.String)
    return whole if _each(record, whole) else whole.gather(record)


def _plain(frames: Sequence[Frame]) -> pl.Series | None:
    """All records as they are, where all are UTF-8 and nothing else is said of them."""
    if any(frame.raws.origin.encoding for frame in frames):
        return None
    lines = [line for frame in frames for line in frame.raws.lines]
    try:
        return pl.Series("event.original", lines, dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.PolarsError:
        return None
