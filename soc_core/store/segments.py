"""Segments on disk: Parquet files written once, read with Polars, whatever columns each of them has.

A frame on its way in is brought to the schema's types. On the way out a column that a file lacks is null, and one
whose declared type has changed since is cast (one value becomes a list of one; a list its first value).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from soc_core.clock import Micros
from soc_core.events import EventBatch
from soc_core.schema import SCHEMA
from soc_core.store import bloom
from soc_core.store.manifest import Segment, Spans

OWNER, TIME, ID, DATASET = "organization.id", "@timestamp", "event.id", "event.dataset"
FILE, ROW = "soc.store.file", "soc.store.row"  # where a row was read from; never stored
ROW_GROUP, PAGE = 32_768, 256 * 1024
FEW = 8  # rows of one segment that are quicker read one by one
MANY = 256  # more distinct owners or data sets than this are not listed
FOREIGN = ""  # source key of ids that identity.py did not make
TEMPORARY = "tmp-"
DTYPE_NAMES: dict[str, str] = {}


def dtype_name(column: str) -> str:
    """The declared type of a column as the manifest spells it."""
    known = DTYPE_NAMES.get(column)
    if known is None:
        known = DTYPE_NAMES[column] = str(SCHEMA.dtype(column))
    return known


def gather(batch: EventBatch) -> tuple[pl.DataFrame, dict[int, str]]:
    """A batch as one frame in the schema's types, in row order; and row → reason where a value would be lost."""
    frames, faults = [], {}
    for rows, part in batch.parts:
        frame, wrong = conform(part)
        frames.append(frame)
        faults.update({int(rows[row]): reason for row, reason in wrong.items()})
    if len(frames) == 1:
        whole, order = frames[0], batch.parts[0].rows
    else:
        whole = pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
        order = np.concatenate([np.empty(0, dtype=np.int64), *(part.rows for part in batch.parts)])
    if not np.array_equal(order, np.arange(batch.height)):
        whole = whole[np.argsort(order, kind="stable")]
    return whole, faults


def conform(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[int, str]]:
    """A frame in the schema's types without columns that are wholly null; and row → reason where a value is lost."""
    faults: dict[int, str] = {}
    kept = []
    for column in frame.iter_columns():
        if column.null_count() == column.len():
            continue
        wanted = SCHEMA.dtype(column.name)
        if column.dtype != wanted:
            cast = _cast(column, wanted)
            for row in (cast.is_null() & column.is_not_null()).arg_true().to_list():
                faults.setdefault(row, f"{column.name} cannot be kept as {wanted}")
            column = cast
        kept.append(column)
    return (pl.DataFrame(kept) if kept else pl.DataFrame(height=frame.height)), faults


def _cast(column: pl.Series, wanted: pl.DataType) -> pl.Series:
    frame = pl.DataFrame([column])
    return frame.select(_casting(column.name, column.dtype, wanted))[column.name]


def _casting(name: str, held: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """An expression that reads a column as another type; what cannot be read so is null."""
    column = pl.col(name)
    if isinstance(wanted, pl.List) and not isinstance(held, pl.List):
        item = column.cast(wanted.inner, strict=False)
        return pl.when(item.is_not_null()).then(pl.concat_list(item)).alias(name)
    if isinstance(held, pl.List) and not isinstance(wanted, pl.List):
        return column.list.first().cast(wanted, strict=False).alias(name)
    return column.cast(wanted, strict=False).alias(name)


def spans(ids: pl.Series) -> Spans:
    """Source key → lowest and highest position of the ids."""
    frame = pl.select(taken_apart(ids))
    found = frame.unnest("parts").group_by("source").agg(low=pl.col("position").min(), high=pl.col("position").max())
    return {source: (low, high) for source, low, high in found.iter_rows()}


def taken_apart(ids: pl.Series) -> pl.Expr:
    """A struct column `parts` of source key and position; ids of another form have FOREIGN and 0."""
    text = pl.lit(ids)
    ours = text.str.contains("^[0-9a-f]{32}$")
    return pl.struct(
        source=pl.when(ours).then(text.str.slice(0, 16)).otherwise(pl.lit(FOREIGN)),
        position=pl.when(ours).then(text.str.slice(16, 12)).otherwise(pl.lit("0"))
        .str.to_integer(base=16, dtype=pl.Int64),
    ).alias("parts")


def write(folder: Path, frame: pl.DataFrame, level: int, created: Micros, filters: bool = False) -> Segment:
    """One new segment, durable on disk; the manifest does not know it yet (its id is 0).

    Raises OSError when the disk refuses; nothing is left behind then.
    """
    name = f"{created:016d}-{secrets.token_hex(6)}.parquet"
    directory = None
    written = []
    try:
        if filters:
            body, directory = bloom.build(frame)
            written.append(folder / f"{TEMPORARY}{name}.bloom")
            written[-1].write_bytes(body)
            _sync(written[-1])
            written[-1] = written[-1].replace(folder / f"{name}.bloom")
        written.append(folder / f"{TEMPORARY}{name}")
        frame.write_parquet(
            written[-1], compression="zstd", compression_level=1 if level == 0 else 3, statistics=True,
            row_group_size=ROW_GROUP, data_page_size=PAGE,
        )
        _sync(written[-1])
        written[-1] = written[-1].replace(folder / name)
        _sync(folder)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    times = frame[TIME].dt.epoch("us")
    return Segment(
        0, name, level, created, frame.height, (folder / name).stat().st_size, int(times.min()), int(times.max()),  # type: ignore[arg-type]  # not empty
        {column: str(dtype) for column, dtype in frame.schema.items()},
        _few(frame, OWNER), _few(frame, DATASET), directory,
    )


def _few(frame: pl.DataFrame, column: str) -> frozenset[str] | None:
    """The distinct values of a column, or None where they are many."""
    if column not in frame.columns:
        return frozenset()
    values = frame[column].drop_nulls().unique()
    return frozenset(values.to_list()) if values.len() <= MANY else None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(folder: Path, file: str) -> None:
    """Delete a segment's files."""
    (folder / file).unlink(missing_ok=True)
    (folder / f"{file}.bloom").unlink(missing_ok=True)


def scan(folder: Path, segments: Sequence[Segment], columns: Collection[str]) -> pl.LazyFrame:
    """These columns, FILE and ROW of all the segments in one lazy frame, in the schema's types.

    ROW counts over all files of the frame; `in_file` turns it into the row of the file.
    """
    wanted = {name: SCHEMA.dtype(name) for name in sorted({TIME, *columns} - {FILE, ROW})}
    frames = []
    for run, odd in runs(segments, wanted):
        paths = [folder / segment.file for segment in run]
        if not odd:
            frames.append(_scan(paths, wanted))
            continue
        held = pl.read_parquet_schema(paths[0])
        casts = [_casting(name, held[name], wanted[name]) for name in odd]
        frames.append(_scan(paths, {**wanted, **{name: held[name] for name in odd}}).with_columns(casts))
    return frames[0] if len(frames) == 1 else pl.concat(frames)


def in_file(segments: Sequence[Segment], columns: Collection[str], keys: pl.DataFrame) -> pl.DataFrame:
    """The keys (FILE, ROW, …), with rows of a `scan` of the same segments and columns, as rows of the files."""
    first = {}
    for run, _ in runs(segments, sorted({TIME, *columns} - {FILE, ROW})):
        at = 0
        for segment in run:
            first[segment.file] = at
            at += segment.rows
    name = pl.col(FILE).str.extract(r"([^/]+)$")
    start = name.replace_strict(list(first), list(first.values()), return_dtype=pl.Int64)
    return keys.with_columns(name.alias(FILE), (pl.col(ROW).cast(pl.Int64) - start).alias(ROW))


def runs(segments: Sequence[Segment], columns: Iterable[str]) -> list[tuple[list[Segment], list[str]]]:
    """Segments that one scan can read together, and each of the others with the columns it must cast."""
    names = list(columns)
    odd = {segment.id: found for segment in segments if (found := _odd(segment, names))}
    alike = [segment for segment in segments if segment.id not in odd]
    others = [([segment], odd[segment.id]) for segment in segments if segment.id in odd]
    return [(alike, []), *others] if alike else others


def _scan(paths: list[Path], schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    return pl.scan_parquet(
        paths, schema=schema, missing_columns="insert", extra_columns="ignore", glob=False, hive_partitioning=False,
        include_file_paths=FILE, row_index_name=ROW, cache=False,
    )


def pick(folder: Path, segment: Segment, rows: Sequence[int]) -> pl.DataFrame:
    """Whole rows of one segment by their numbers: a few one by one, many in one pass from the first to the last.

    A page's rows mostly stand together, as segments are sorted; a slice reads only the row groups that it meets.
    """
    names = sorted(segment.columns)
    frame = scan(folder, [segment], names)
    if len(rows) <= FEW:
        return pl.concat([collect(frame.select(names).slice(row, 1)) for row in rows])
    low, high = min(rows), max(rows)
    wanted = pl.col(ROW).is_in(pl.Series(rows, dtype=pl.UInt32).implode())
    return collect(frame.slice(low, high - low + 1).filter(wanted).select(names))


def _odd(segment: Segment, columns: Iterable[str]) -> list[str]:
    """Columns whose type in the file is not the declared one."""
    held = segment.columns
    return [name for name in columns if name in held and held[name] != dtype_name(name)]


def agrees(segment: Segment) -> bool:
    """Whether every column of the file has its declared type."""
    return not _odd(segment, segment.columns)


def all_columns(segments: Iterable[Segment]) -> set[str]:
    """Names of all columns that at least one of the segments has."""
    return set().union(*(segment.columns for segment in segments))


def groups(segments: Iterable[Segment], rows: int, files: int = 128) -> Iterator[list[Segment]]:
    """Segments in their order, cut into runs of at most so many rows and files (or one segment)."""
    run: list[Segment] = []
    held = 0
    for segment in segments:
        if run and (held + segment.rows > rows or len(run) == files):
            yield run
            run, held = [], 0
        run.append(segment)
        held += segment.rows
    if run:
        yield run


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    """The rows. Raises OSError when a segment is damaged."""
    try:
        return frame.collect()
    except pl.exceptions.ComputeError as error:
        raise OSError(f"the event store cannot be read: {error}") from error
