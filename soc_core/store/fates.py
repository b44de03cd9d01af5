"""What becomes of each event that is brought to a store: new, our own replay, a duplicate, or a contradiction.

An event above the highest position stored of its source is new by construction (identity.py). The others are
suspects, and only for them the segments that hold such positions are read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from soc_core.protocols import Ints, Rejected
from soc_core.schema import SCHEMA
from soc_core.store import segments
from soc_core.store.manifest import Manifest, Segment
from soc_core.store.segments import FILE, ID

PARTITION, OFFSET, ORIGINAL = "soc.partition", "soc.offset", "event.original"
PLACE = (ID, PARTITION, OFFSET)
ADDED = (ID, "event.ingested", "sigma.logsource", ORIGINAL)  # by the pipeline, with soc.* and organization.*
CONTRADICTION = "another content under a known id"
CACHED_ROWS = 1_000_000


class Fates(NamedTuple):
    """Rows of a frame by fate; each row is in exactly one."""

    fresh: Ints
    replayed: Ints
    duplicate: Ints
    rejected: list[Rejected]
    marks: dict[str, int] | None = None  # of the sources, where all rows are above them: the fates stand while they do


class Known:
    """The ids that a store holds, read on demand; the columns read lately are kept, up to CACHED_ROWS rows."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._recent: OrderedDict[int, pl.DataFrame] = OrderedDict()

    def marks(self, sources: Sequence[str]) -> dict[str, int]:
        return self._manifest.marks(sources)

    def covering(self, suspects: pl.DataFrame) -> list[Segment]:
        """The segments that may hold suspects (columns ID, source, position)."""
        ends = suspects.group_by("source").agg(low=pl.col("position").min(), high=pl.col("position").max())
        return self._manifest.covering({source: (low, high) for source, low, high in ends.iter_rows()})

    def find(self, suspects: pl.DataFrame, held: Sequence[Segment]) -> pl.DataFrame:
        """Of the suspects those that the segments hold: ID, PARTITION, OFFSET, FILE."""
        wanted = suspects.select(pl.col(ID).unique())
        found = [
            self._places(segment).join(wanted, on=ID, how="semi").with_columns(pl.lit(segment.file).alias(FILE))
            for segment in held
        ]
        nothing = pl.DataFrame(schema={ID: pl.String, PARTITION: pl.Int64, OFFSET: pl.Int64, FILE: pl.String})
        return pl.concat([nothing, *found])

    def _places(self, segment: Segment) -> pl.DataFrame:
        frame = self._recent.pop(segment.id, None)
        if frame is None:
            frame = segments.collect(segments.scan(self._folder, [segment], PLACE).select(PLACE))
        self._recent[segment.id] = frame
        while len(self._recent) > 1 and sum(kept.height for kept in self._recent.values()) > CACHED_ROWS:
            self._recent.popitem(last=False)
        return frame

    def content(self, known: pl.DataFrame, held: Sequence[Segment]) -> pl.DataFrame:
        """The whole stored rows of `known`, in its order."""
        files = set(known[FILE].to_list())
        held = [segment for segment in held if segment.file in files]
        names = segments.all_columns(held)
        rows = segments.collect(
            segments.scan(self._folder, held, names).filter(pl.col(ID).is_in(known[ID].implode())).select(sorted(names))
        )
        return known.select(ID).join(rows, on=ID, how="left", maintain_order="left")


def judge(frame: pl.DataFrame, known: Known) -> Fates:
    """The fate of every row; the frame is conformed and each row has an id."""
    ids = frame[ID]
    parts = pl.select(segments.taken_apart(ids)).unnest("parts")
    sources = parts["source"].unique()
    marks = known.marks(sources.to_list())
    mark = parts["source"].replace_strict(list(marks), list(marks.values()), default=-1, return_dtype=pl.Int64)
    repeated = ~ids.is_first_distinct()
    suspect = (parts["position"] <= mark) | repeated
    if not suspect.any():
        return Fates(np.arange(frame.height), *_none(), marks)
    places = parts.with_columns(ids, row=pl.int_range(frame.height), repeated=repeated).filter(suspect)
    where = known.covering(places)
    held = places.join(known.find(places, where), on=ID, how="inner", maintain_order="left")
    replayed, duplicate, rejected = _compare_stored(frame, held, known, where)
    met_again = places.join(held, on=ID, how="anti").filter("repeated")
    if met_again.height:  # twice in this very batch: held against its first occurrence
        firsts = pl.DataFrame({ID: ids, "first": np.arange(frame.height)}).filter(~repeated)
        pairs = met_again.join(firsts, on=ID, how="left", maintain_order="left")
        here = _compare(frame[pairs["row"]], frame[pairs["first"]], pairs["row"])
        replayed, duplicate = np.concatenate([replayed, here[0]]), np.concatenate([duplicate, here[1]])
        rejected = rejected + here[2]
    fresh = np.ones(frame.height, dtype=np.bool_)
    fresh[held["row"].to_numpy()] = False
    fresh[met_again["row"].to_numpy()] = False
    return Fates(np.flatnonzero(fresh), np.sort(replayed), np.sort(duplicate), sorted(rejected))


def _none() -> tuple[Ints, Ints, list[Rejected]]:
    return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), []


def _compare_stored(
    frame: pl.DataFrame, held: pl.DataFrame, known: Known, where: Sequence[Segment]
) -> tuple[Ints, Ints, list[Rejected]]:
    """Replays are told by their place alone; only the rest is worth reading content for."""
    if not held.height:
        return _none()
    replay = _same_place(frame[held["row"]], held)
    replayed, others = held.filter(replay)["row"].to_numpy(), held.filter(~replay)
    if not others.height:
        return replayed, *_none()[1:]
    _, duplicate, rejected = _compare(frame[others["row"]], known.content(others, where), others["row"])
    return replayed, duplicate, rejected


def _compare(new: pl.DataFrame, old: pl.DataFrame, rows: pl.Series) -> tuple[Ints, Ints, list[Rejected]]:
    """(replayed, duplicate, rejected) of rows set side by side."""
    replay = _same_place(new, old)
    same = _same_content(new, old)
    wrong = [Rejected(row, CONTRADICTION) for row in rows.filter(~replay & ~same).to_list()]
    return rows.filter(replay).to_numpy(), rows.filter(~replay & same).to_numpy(), wrong


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name in frame.columns:
        return frame[name]
    return pl.Series(name, [None], dtype=SCHEMA.dtype(name)).new_from_index(0, frame.height)


def _same_place(new: pl.DataFrame, old: pl.DataFrame) -> pl.Series:
    """Both come from the same record of the journal."""
    same = [(_column(new, name) == _column(old, name)).fill_null(False) for name in (PARTITION, OFFSET)]
    return same[0] & same[1]


def _same_content(new: pl.DataFrame, old: pl.DataFrame) -> pl.Series:
    """Equal original text; where neither has one, equal in every column that the source itself filled."""
    texts = _column(new, ORIGINAL), _column(old, ORIGINAL)
    same = texts[0].eq_missing(texts[1])
    untold = texts[0].is_null() & texts[1].is_null()
    if untold.any():
        names = {
            name for name in (*new.columns, *old.columns)
            if name not in ADDED and name != FILE and not name.startswith(("soc.", "organization."))
        }
        for name in sorted(names):
            same = same & (~untold | _column(new, name).eq_missing(_column(old, name)))
    return same


