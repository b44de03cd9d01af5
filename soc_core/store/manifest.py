"""The list of a store's segments, in SQLite: what exists is what the manifest names, and it changes atomically.

Beside the segments it keeps, for each source key (identity.py), the highest position stored, and for each segment
the span of positions it holds of each source: enough to tell a new event from a known one without an index of ids.
Ids of another form count under the source key "" at position 0.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson

from soc_core.clock import Micros
from soc_core.store.bloom import Directory

VERSION = 1
TABLES = """
CREATE TABLE IF NOT EXISTS state (generation INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL UNIQUE, level INTEGER NOT NULL, created INTEGER NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    about BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS spans (
    segment INTEGER NOT NULL, source TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
    PRIMARY KEY (source, high, low, segment)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spans_segment ON spans (segment);
CREATE TABLE IF NOT EXISTS marks (source TEXT PRIMARY KEY, high INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS condemned (file TEXT PRIMARY KEY, generation INTEGER NOT NULL);
INSERT INTO state SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM state);
"""
Spans = Mapping[str, tuple[int, int]]  # source key → lowest and highest position


class Segment(NamedTuple):
    """One Parquet file. `first` and `last` are its lowest and highest @timestamp, `columns` name → Polars dtype.

    `organisations` and `datasets` hold every value of organization.id and event.dataset, or are None where there
    are too many. `bloom` says where the filters stand in the file beside it; None: it has none.
    """

    id: int
    file: str
    level: int
    created: Micros
    rows: int
    bytes: int
    first: Micros
    last: Micros
    columns: dict[str, str]
    organisations: frozenset[str] | None
    datasets: frozenset[str] | None
    bloom: Directory | None


class Manifest:
    """The database of one store; safe to share between threads, and between processes."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._known: dict[int, Segment] = {}
        self._loaded: tuple[int, tuple[Segment, ...]] | None = None
        self._columns: dict[bytes, dict[str, str]] = {}
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA synchronous=FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            self._db.close()
            raise ValueError(f"{path} was made by a newer version of this program")
        if version < VERSION:
            self._db.execute("PRAGMA journal_mode=WAL")
            with self._change():
                for statement in TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={VERSION}")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One write transaction."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One read transaction: everything in it sees the same list."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    # ------------------------------------------------------------ reading

    def generation(self) -> int:
        """Grows with every change of the list."""
        with self._lock:
            return int(self._db.execute("SELECT generation FROM state").fetchone()[0])

    def segments(self) -> tuple[Segment, ...]:
        """The list as it is now, oldest id first."""
        with self._reading():
            return self._current()

    def _current(self) -> tuple[Segment, ...]:
        generation = self.generation()
        if self._loaded is None or self._loaded[0] != generation:
            self._loaded = (generation, self._load())
        return self._loaded[1]

    def _load(self) -> tuple[Segment, ...]:
        ids = [row[0] for row in self._db.execute("SELECT id FROM segments ORDER BY id")]
        fresh = [number for number in ids if number not in self._known]
        known = {number: self._known[number] for number in ids if number in self._known}
        if fresh:
            query = "SELECT * FROM segments WHERE id >= ?"
            for row in self._db.execute(query, (fresh[0],)):
                if row[0] not in known:
                    known[row[0]] = self._segment(row)
        self._known = known
        return tuple(known[number] for number in ids)

    def _segment(self, row: tuple[int, str, int, int, int, int, int, int, bytes]) -> Segment:
        about = orjson.loads(row[8])
        columns = self._columns.setdefault(orjson.dumps(about["columns"]), about["columns"])
        sets = [None if about[name] is None else frozenset(about[name]) for name in ("organisations", "datasets")]
        bloom = about["bloom"] and {name: (place[0], place[1]) for name, place in about["bloom"].items()}
        return Segment(*row[:8], columns, sets[0], sets[1], bloom)

    def marks(self, sources: Sequence[str]) -> dict[str, int]:
        """The highest position stored of each of these sources; absent: none."""
        with self._lock:
            found: dict[str, int] = {}
            for at in range(0, len(sources), 500):
                some = sources[at : at + 500]
                query = f"SELECT source, high FROM marks WHERE source IN ({','.join('?' * len(some))})"  # noqa: S608 - question marks alone
                found.update(self._db.execute(query, some))
            return found

    def covering(self, spans: Spans) -> list[Segment]:
        """The segments that hold, of any of these sources, positions between its two."""
        query = "SELECT segment FROM spans WHERE source = ? AND high >= ? AND low <= ?"
        with self._reading():
            numbers = {row[0] for source, ends in spans.items() for row in self._db.execute(query, (source, *ends))}
            return [segment for segment in self._current() if segment.id in numbers]

    # ------------------------------------------------------------ changing

    def change(self, added: Sequence[tuple[Segment, Spans]], removed: Sequence[Segment] = ()) -> None:
        """One transaction: these segments come, those go; files that go are condemned, marks only rise."""
        with self._change():
            self._db.execute("UPDATE state SET generation = generation + 1")
            for segment, spans in added:
                about = orjson.dumps({
                    "columns": segment.columns, "bloom": segment.bloom,
                    "organisations": None if segment.organisations is None else sorted(segment.organisations),
                    "datasets": None if segment.datasets is None else sorted(segment.datasets),
                })
                new = self._db.execute(
                    "INSERT INTO segments (file, level, created, rows, bytes, first, last, about)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*segment[1:8], about),
                ).lastrowid
                self._db.executemany(
                    "INSERT INTO spans (segment, source, low, high) VALUES (?, ?, ?, ?)",
                    [(new, source, low, high) for source, (low, high) in spans.items()],
                )
                self._db.executemany(
                    "INSERT INTO marks VALUES (?, ?)"
                    " ON CONFLICT (source) DO UPDATE SET high = max(high, excluded.high)",
                    [(source, high) for source, (_, high) in spans.items()],
                )
            for segment in removed:
                self._db.execute("DELETE FROM spans WHERE segment = ?", (segment.id,))
                self._db.execute("DELETE FROM segments WHERE id = ?", (segment.id,))
                self._db.execute("INSERT INTO condemned SELECT ?, generation FROM state", (segment.file,))

    def promote(self, segments: Sequence[Segment], level: int) -> None:
        """Count segments, as they are, to a higher level."""
        with self._change():
            self._db.execute("UPDATE state SET generation = generation + 1")
            for segment in segments:
                self._db.execute("UPDATE segments SET level = ? WHERE id = ?", (level, segment.id))
                self._known.pop(segment.id, None)

    def condemned(self) -> list[tuple[str, int]]:
        """Files that left the list, with the first generation that no longer has them."""
        with self._lock:
            return self._db.execute("SELECT file, generation FROM condemned").fetchall()

    def forget(self, files: Sequence[str]) -> None:
        """These condemned files are gone from the disk."""
        with self._change():
            self._db.executemany("DELETE FROM condemned WHERE file = ?", [(file,) for file in files])
