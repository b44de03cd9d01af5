"""The embedded event store: Parquet segments and a manifest in one folder, with no server.

    manifest.db      what exists (manifest.py)
    segments/        one Parquet file a write, later merged (compaction.py), with filters beside (bloom.py)
    readers/         leases of those who read (leases.py)
    writer.lock      held by who names new segments, for as long as that takes
    unfinished.lock  shared by who has segments on disk that are not named yet
    upkeep.lock      held by who merges or deletes segments

An event is durable when `write` returns: its file is on disk and named by the manifest. Any number of processes
write, in turn, and any number read; a reader sees the list of segments as it was when its question began.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import polars as pl

from soc_core import clock
from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.events import EventBatch
from soc_core.protocols import Bucket, Hits, Ints, Page, Query, Rejected, Sieve, WriteResult
from soc_core.store import compaction, fates, reading, scanning, segments
from soc_core.store.fates import Fates, Known
from soc_core.store.leases import Lease, Turn, oldest
from soc_core.store.manifest import Manifest, Segment
from soc_core.store.segments import ID, TIME

FIRST_PAGE = Page()
MANIFEST = "manifest.db"


def exists(path: Path) -> bool:
    """Whether there is a store in this folder."""
    return (path / MANIFEST).exists()


class EmbeddedStore:
    """An EventStore (protocols.py) in a folder, made where there is none.

    Reads see what was written before they began. Rows are dotted-name dictionaries with moments in microseconds.
    Raises OSError when a segment is damaged or gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._segments, self._leases = path / "segments", path / "readers"
        for folder in (self._segments, self._leases):
            folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY)
        try:  # two processes may meet a new folder together
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._manifest = Manifest(path / MANIFEST)
        finally:
            os.close(handle)
        self._known = Known(self._segments, self._manifest)
        self._writing, self._upkeep = threading.RLock(), threading.RLock()
        self._write_turn, self._upkeep_turn = Turn(path / "writer.lock"), Turn(path / "upkeep.lock")
        self._unfinished = Turn(path / "unfinished.lock")
        self._tidied = False

    def __enter__(self) -> EmbeddedStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Files that wait for a reader go at the next opening."""
        with self._upkeep, self._writing:
            self._write_turn.close()
            self._upkeep_turn.close()
            self._unfinished.close()
            self._manifest.close()

    @contextmanager
    def _pin(self) -> Iterator[tuple[Segment, ...]]:
        """The segments of this moment; none of their files goes away before the end."""
        lease = Lease(self._leases, self._manifest.generation())
        try:
            yield self._manifest.segments()
        finally:
            lease.release()

    # ------------------------------------------------------------ writing

    def write(self, batch: EventBatch) -> WriteResult:
        """Store what is new. Rows without id or time, or with a value that its column cannot hold, are rejected."""
        frame, faults = segments.gather(batch)
        for name in (TIME, ID):
            missing = frame[name].is_null().arg_true().to_list() if name in frame.columns else range(batch.height)
            faults.update((row, f"no {name}") for row in missing)
        rows = np.setdiff1d(np.arange(batch.height), np.fromiter(faults, dtype=np.int64, count=len(faults)))
        refused = [Rejected(row, reason) for row, reason in sorted(faults.items())]
        if not len(rows):
            return WriteResult(rows, rows, refused)
        sound = frame if len(rows) == batch.height else frame[rows]
        if not self._tidied:
            with self._upkeep, self._upkeep_turn.tried() as ours:
                if ours:
                    self._tidy()
        with self._writing, self._unfinished.shared():
            found = self._add(sound)
        stored = rows[np.sort(np.concatenate([found.fresh, found.replayed]))]
        refused += [Rejected(int(rows[row]), reason) for row, reason in found.rejected]
        return WriteResult(stored, rows[found.duplicate], sorted(refused))

    def _add(self, frame: pl.DataFrame) -> Fates:
        """Judge the rows, and store those that are new. What is above all marks is written before our turn comes."""
        with self._pin():
            found = fates.judge(frame, self._known)
        early = segments.write(self._segments, frame, 0, clock.now()) if found.marks is not None else None
        spans = segments.spans(frame[ID])
        with self._write_turn.taken():  # judged and named without anybody between
            if early is not None and self._known.marks(list(spans)) == found.marks:
                self._manifest.change([(early, spans)])
                return found
            if early is not None:  # another process has stored of these sources meanwhile
                segments.remove(self._segments, early.file)
            with self._pin():
                found = fates.judge(frame, self._known)
            fresh: Ints = found.fresh
            if len(fresh):
                chosen = frame if len(fresh) == frame.height else segments.conform(frame[fresh])[0]
                segment = segments.write(self._segments, chosen, 0, clock.now())
                self._manifest.change([(segment, segments.spans(chosen[ID]))])
        return found

    def _tidy(self) -> None:
        """Clear away, once, what a process that died left unfinished. Who calls has the turn of upkeep."""
        if self._tidied:
            return
        with self._writing, self._unfinished.taken():  # so that nobody's unfinished file is taken for a dead one's
            named = {segment.file for segment in self._manifest.segments()}
            named.update(file for file, _ in self._manifest.condemned())
            for path in self._segments.iterdir():
                if path.name.removesuffix(".bloom") not in named:
                    path.unlink(missing_ok=True)
        self._sweep()
        self._tidied = True

    def _sweep(self) -> None:
        """Delete the condemned files that no living reader can still name."""
        condemned = self._manifest.condemned()  # before the leases: a later reader cannot see these any more
        if not condemned:
            return
        held = oldest(self._leases)
        gone = [file for file, generation in condemned if held is None or generation <= held]
        for file in gone:
            segments.remove(self._segments, file)
        if gone:
            self._manifest.forget(gone)

    # ------------------------------------------------------------ upkeep

    def compact(self, now: Micros | None = None) -> int:
        """Merge small segments of minutes, hours and days that are over; how many segments were merged away.

        May run in another thread than `write`. Killed at any point it leaves every event exactly once.
        """
        with self._upkeep, self._upkeep_turn.tried() as ours:
            if not ours:
                return 0  # another process does it
            self._tidy()
            merged = 0
            for work in compaction.plan(self._manifest.segments(), clock.now() if now is None else now):
                if not work.rewrite:
                    self._manifest.promote(work.inputs, work.level)
                    continue
                segment, spans = compaction.merge(self._segments, work)
                self._manifest.change([(segment, spans)], work.inputs)
                merged += len(work.inputs)
            self._sweep()
            return merged

    def prune(self, before: Micros, held: Sequence[tuple[Micros, Micros]] = ()) -> int:
        """Delete every event older than `before`; how many there were.

        A segment with columns whose type has changed since is not rewritten: it goes when it is old as a whole. One
        with events in a span that is `held` (legal holds, by event time) stays whole.
        """
        with self._upkeep, self._upkeep_turn.taken():
            self._tidy()
            deleted = 0
            for segment in self._manifest.segments():
                if meets(segment.first, segment.last, held):
                    continue
                if segment.last < before:
                    self._manifest.change([], [segment])
                    deleted += segment.rows
                elif segment.first < before and segments.agrees(segment):
                    rest, spans = compaction.cut(self._segments, segment, before)
                    self._manifest.change([(rest, spans)], [segment])
                    deleted += segment.rows - rest.rows
            self._sweep()
            return deleted

    def expire(self, before: Micros, held: Sequence[tuple[Micros, Micros]] = ()) -> int:
        """Delete what was *written* before this moment, in whole segments; how many events there were.

        What has events in a span that is `held` (legal holds, by event time) stays.

        Retention counts from receipt: a file of last year's logs, taken in today, is kept as long as today's.
        """
        with self._upkeep, self._upkeep_turn.taken():
            self._tidy()
            gone = [segment for segment in self._manifest.segments()
                    if segment.created < before and not meets(segment.first, segment.last, held)]
            if gone:
                self._manifest.change([], gone)
            self._sweep()
            return sum(segment.rows for segment in gone)

    # ------------------------------------------------------------ reading

    def get(self, ids: Sequence[str], scope: Scope) -> list[dict[str, Any]]:
        """Rows by id in the order asked; an id out of scope is as one that does not exist."""
        places = segments.spans(pl.Series(ID, list(ids), dtype=pl.String)) if ids else {}
        with self._pin():
            return reading.get(self._question(Query(), scope), self._manifest.covering(places), ids)

    def search(self, query: Query, scope: Scope, page: Page = FIRST_PAGE) -> Hits:
        with self._pin() as view:
            return reading.search(self._question(query, scope), view, page)

    def aggregate(self, query: Query, scope: Scope, field: str, limit: int = 10) -> list[Bucket]:
        with self._pin() as view:
            return reading.aggregate(self._question(query, scope), view, field, limit)

    def histogram(self, query: Query, scope: Scope, buckets: int = 60) -> list[Bucket]:
        with self._pin() as view:
            return reading.histogram(self._question(query, scope), view, buckets)

    def scan(
        self, query: Query, scope: Scope, fields: Collection[str] | None = None, sieves: Sequence[Sieve] = ()
    ) -> Iterator[EventBatch]:
        question = self._question(query, scope)
        with self._pin() as view:
            yield from scanning.scan(question, view, fields, sieves)

    def _question(self, query: Query, scope: Scope) -> reading.Question:
        return reading.Question.of(self._segments, query, scope)


def meets(first: Micros, last: Micros, spans: Sequence[tuple[Micros, Micros]]) -> bool:
    """Whether [first, last] has something in common with one of the spans."""
    return any(first <= until and since <= last for since, until in spans)
