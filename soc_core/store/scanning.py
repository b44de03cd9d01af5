"""Many events read whole or in part, in batches: for rules over history, exports and whoever reads everything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from soc_core.events import EventBatch, Part
from soc_core.protocols import Ints, Sieve
from soc_core.store import segments
from soc_core.store.manifest import Segment
from soc_core.store.reading import Question
from soc_core.store.segments import DATASET, ROW, TIME

BATCH_ROWS = 65_536
SHAPE = (DATASET, "sigma.logsource")  # what tells the shapes of events apart


def scan(
    question: Question, view: Sequence[Segment], fields: Collection[str] | None, sieves: Sequence[Sieve]
) -> Iterator[EventBatch]:
    """All matching rows in batches of bounded size, older segments first; no order is promised within.

    Only the columns `fields` and TIME (None: all), and only of rows that pass the sieves.
    """
    held = sorted(question.candidates(view), key=lambda segment: segment.first)
    for run in segments.groups(held, BATCH_ROWS):
        known = segments.all_columns(run)
        names = sorted(known if fields is None else known & {TIME, *fields})
        if sieves:
            read = question.columns().union(names, *(known & sieve.fields for sieve in sieves))
            for alike, _ in segments.runs(run, read):
                yield from _sifted(question, alike, names, sieves)
            continue
        for frame in question.rows(run, set(names)).select(names).collect_batches(chunk_size=BATCH_ROWS):
            if frame.height:
                yield in_parts(frame)


def _sifted(
    question: Question, run: Sequence[Segment], names: Sequence[str], sieves: Sequence[Sieve]
) -> Iterator[EventBatch]:
    """First what a sieve reads, of the rows that are left; at last the columns, of the rows that passed them all."""
    known = segments.all_columns(run)
    steps = [sorted({TIME, *known & sieve.fields}) for sieve in sieves]
    found = question.rows(run, set(steps[0])).select(*steps[0], ROW)
    for frame in found.collect_batches(chunk_size=BATCH_ROWS):
        rows = frame[ROW].to_numpy().astype(np.int64)
        for sieve, columns in zip(sieves, steps, strict=True):
            near = frame.select(columns) if columns is steps[0] else _at(question.folder, run, rows, columns)
            if len(rows):
                rows = np.sort(rows[sieve.rows(EventBatch.of(_without_nulls(near)))])
        if len(rows):
            yield in_parts(_at(question.folder, run, rows, names))


def _at(folder: Path, run: Sequence[Segment], rows: Ints, names: Sequence[str]) -> pl.DataFrame:
    """Columns of some rows, ascending, of segments that one scan reads: whole spans are read where one of them lies."""
    whole = segments.scan(folder, run, names).select(names)
    spans = rows // segments.ROW_GROUP
    frames = []
    for span in np.unique(spans).tolist():
        start = span * segments.ROW_GROUP
        near = segments.collect(whole.slice(start, segments.ROW_GROUP))
        frames.append(near[rows[spans == span] - start])
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(names, pl.Null()))


def in_parts(frame: pl.DataFrame) -> EventBatch:
    """A wide frame as a batch with one part a shape, each with only the columns it has."""
    kinds = [
        (pl.col(name).list.join(",") if isinstance(frame.schema[name], pl.List) else pl.col(name)).alias(f"kind {name}")
        for name in SHAPE if name in frame.columns
    ]
    if not kinds:
        return EventBatch.of(_without_nulls(frame))
    codes = frame.select(pl.struct(kinds).rank("dense").alias("code"))["code"].to_numpy()
    order = np.argsort(codes, kind="stable").astype(np.int64)
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    return EventBatch(frame.height, [Part(rows, _without_nulls(frame[rows])) for rows in np.split(order, cuts)])


def _without_nulls(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(column for column in frame.iter_columns() if column.null_count() < column.len())
