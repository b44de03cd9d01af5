"""The loop: journal → parse → assemble → identify → enrich → store → detect → one state transaction.

One worker owns its partitions. A step takes some records of one partition through everything and commits them; the
order of its two commits (events first, then state) makes a crash between them harmless: the events are met again as
our own replay, and count once.

The events are stored *before* they are judged, so that a duplicate never reaches a detector.
"""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sqlalchemy.orm import Session

from soc_core import clock, held
from soc_core.events import EventBatch
from soc_core.held import NOTHING, Held
from soc_core.identify import Records, identify, record_ids, records
from soc_core.models import Finding
from soc_core.protocols import Assemble, Assembled, Detector, Enricher, EventStore, Ints, Journal, Parse, ParsedFrames
from soc_core.state import commits, quarantine, sources
from soc_core.state.database import Database

log = logging.getLogger(__name__)

LIMIT = 16_384  # records a step: large enough for columns to pay, small enough for a one-second answer
CHECKPOINT_EVERY = 30 * clock.SECOND
WATERMARK_AHEAD = 5 * clock.MINUTE

NO_FATE, STORED, DUPLICATE, MERGED, QUARANTINED, HELD = range(6)
COUNTED = (("stored", STORED), ("duplicate", DUPLICATE), ("merged", MERGED), ("quarantined", QUARANTINED))
Fates = npt.NDArray[np.int8]
Owner = tuple[str, str]  # organisation and system, "" where unknown or more than one
Triage = Callable[[Session, Sequence[Finding], clock.Micros], Any]


@dataclass
class Parts:
    """What the loop is made of; wired in soc_cli, so that this file knows only the seams."""

    journal: Journal
    state: Database
    stores: Callable[[str], EventStore]
    parse: Parse
    enrichers: Sequence[Enricher]
    detectors: Sequence[Detector]
    triage: Triage
    assemble: Assemble = lambda parsed, frames, now: Assembled(parsed, [], held.NEVER)


@dataclass
class Step:
    """What one step made, before it is committed."""

    known: Records
    fates: Fates
    reasons: dict[int, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    events: dict[int, int] = field(default_factory=dict)  # frame → events stored
    latest: dict[int, clock.Micros] = field(default_factory=dict)  # frame → latest event time
    owners: dict[tuple[str, str], Owner] = field(default_factory=dict)  # (source, realm) → whose its events are
    held: Held = NOTHING


class Worker:
    """Takes the records of its partitions through the loop. Use one instance from one thread."""

    def __init__(self, parts: Parts, partitions: Iterable[int] | None = None) -> None:
        self.parts = parts
        self.partitions = list(partitions if partitions is not None else parts.journal.partitions())
        self.detector_errors: Counter[str] = Counter()
        self._owned: set[tuple[str, str]] = set()
        self._checked = clock.now()
        self._dirty = False
        with parts.state.begin() as session:
            commits.adopt_epoch(session, parts.journal.epoch)
            self.marks = {p: commits.mark(session, p) for p in self.partitions}
            saved = {p: commits.checkpoint(session, p) for p in self.partitions}
            waiting = {p: held.load(session, p) for p in self.partitions}
        self.cursor = {p: kept.offset if kept else 0 for p, kept in saved.items()}
        self.held: dict[int, Held] = {}
        self._restore([kept.state for kept in saved.values() if kept])
        for partition in self.partitions:  # all replays come first: what was judged before stays judged
            while self.cursor[partition] < self.marks[partition]:
                self._run(partition)
            self.held[partition] = held.read(parts.journal, partition, waiting[partition])

    def step(self) -> int:
        """One step over every partition that has something new. Returns the records committed; 0 when idle."""
        done = sum(self._run(partition) for partition in self.partitions)
        if done == 0 or clock.now() - self._checked > CHECKPOINT_EVERY:
            self.checkpoint()
        return done

    def drain(self) -> int:
        """Step until nothing is pending, what waits for others included. Returns the records committed."""
        total = 0
        while done := self.step() or sum(self._run(partition, final=True) for partition in self.partitions):
            total += done
        return total

    def checkpoint(self) -> None:
        """Save the detectors' state with the offsets it stands for, and let the journal drop what is before."""
        if not self._dirty:
            return
        state = [(f"{type(d).__module__}.{type(d).__name__}", d.snapshot()) for d in self.parts.detectors]
        state += [(f"{held.PREFIX}{p}", held.pack(self.held[p].offsets)) for p in self.partitions]
        blob = _pack(state)
        with self.parts.state.begin() as session:
            for number, partition in enumerate(self.partitions):
                commits.save_checkpoint(session, partition, self.cursor[partition], b"" if number else blob)
        for partition in self.partitions:
            self.parts.journal.release(partition, min([self.cursor[partition], *self.held[partition].offsets[:1]]))
        self._checked, self._dirty = clock.now(), False

    def _restore(self, blobs: Sequence[bytes]) -> None:
        state = dict(_unpack(next((blob for blob in blobs if blob), b"")))
        for detector in self.parts.detectors:
            kept = state.get(f"{type(detector).__module__}.{type(detector).__name__}")
            if kept is not None:
                detector.restore(kept)
        for partition in self.partitions:
            offsets = held.unpack(state.get(f"{held.PREFIX}{partition}", b""))
            self.held[partition] = held.read(self.parts.journal, partition, offsets)

    def _run(self, partition: int, final: bool = False) -> int:
        """One step over a partition; `final` ends every wait. Returns the records that are new or no longer wait."""
        at, mark, waiting = self.cursor[partition], self.marks[partition], self.held[partition]
        replay = at < mark
        frames = self.parts.journal.read(partition, at, min(LIMIT, mark - at) if replay else LIMIT)
        if not frames:
            if replay:  # the journal lost what the state has: going on would skip records in silence
                raise RuntimeError(f"journal partition {partition} ends at {at}, before the committed {mark}")
            if not waiting.frames or (waiting.due > clock.now() and not final):
                return 0
        known = records([*waiting.frames, *frames], self.parts.journal.epoch)
        end = max(int(known.offset[-1]) + 1, at)
        behind = replay or self.parts.journal.end(partition) > end
        step = self._judge(known, clock.LATEST if final and not behind else 0 if behind else clock.now())
        if not replay:
            self._commit(partition, step, at, end)
            self.marks[partition] = end
        self.cursor[partition], self.held[partition] = end, step.held
        self._dirty = True
        return 0 if replay else end - at + len(waiting.offsets) - len(step.held.offsets)

    def _judge(self, known: Records, now: clock.Micros) -> Step:
        parsed, waiting, due = self.parts.assemble(self.parts.parse(known.frames), known.frames, now)
        step = Step(known, np.full(known.total, NO_FATE, dtype=np.int8))
        if waiting:
            rows = np.array([int(known.start[frame]) + line for frame, line in waiting], dtype=np.int64)
            step.fates[rows] = HELD
            step.held = Held(held.pick(known, rows), due)
        batch, record = identify(parsed, known)
        for enricher in self.parts.enrichers:
            batch = enricher.enrich(batch)
        kept = self._store(batch, record, step)
        self._settle(parsed, step)
        fresh = batch if kept.all() else batch.take(kept)
        if fresh.height:
            self._count(fresh, record[kept], step)
            self._detect(fresh, step)
        return step

    def _store(self, batch: EventBatch, record: Ints, step: Step) -> npt.NDArray[np.bool_]:
        """Write each realm's events to its own store; mark the fates; return which rows are stored."""
        kept = np.zeros(batch.height, dtype=bool)
        fates = np.full(batch.height, NO_FATE, dtype=np.int8)
        codes, realms = batch.distinct("soc.realm") if batch.height else (np.empty(0, np.int32), [])
        for code, realm in enumerate(realms):
            rows = np.flatnonzero(codes == code)
            result = self.parts.stores(realm).write(batch if len(rows) == batch.height else batch.take(codes == code))
            kept[rows[result.stored]] = True
            fates[rows[result.stored]] = STORED
            fates[rows[result.duplicate]] = DUPLICATE
            for row, reason in result.rejected:
                fates[rows[row]] = QUARANTINED
                step.reasons[int(record[rows[row]])] = reason
        # A record of several events is stored if any is, and quarantined if any was refused.
        for fate in (DUPLICATE, STORED, QUARANTINED):
            step.fates[record[fates == fate]] = fate
        return kept

    def _settle(self, parsed: ParsedFrames, step: Step) -> None:
        """Faults, merged lines, and the net below: a record that nobody accounted for is quarantined as such."""
        for fault in parsed.faults:
            row = int(step.known.start[fault.frame]) + fault.line
            step.fates[row] = QUARANTINED
            step.reasons[row] = fault.reason
        for frame, line in parsed.merged:
            step.fates[int(step.known.start[frame]) + line] = MERGED
        for places in parsed.joined:  # where the joined event was refused, all of its records are kept
            first, *others = (int(step.known.start[frame]) + line for frame, line in places)
            if step.fates[first] == QUARANTINED:
                step.fates[others] = QUARANTINED
                step.reasons |= dict.fromkeys(others, step.reasons[first])
        for row in np.flatnonzero(step.fates == NO_FATE).tolist():
            step.fates[row] = QUARANTINED
            step.reasons[row] = "the format returned neither an event nor a fault for this record"

    def _count(self, fresh: EventBatch, record: Ints, step: Step) -> None:
        """Events, latest time and owner of each frame; events stand in the order of frames, so each is one run."""
        numbers, starts, counts = np.unique(step.known.frame[record], return_index=True, return_counts=True)
        latest = np.maximum.reduceat(fresh.column("@timestamp").cast(pl.Int64).to_numpy(), starts)
        step.events = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        step.latest = dict(zip(numbers.tolist(), latest.tolist(), strict=True))
        origins = [step.known.frames[number].raws.origin for number in numbers.tolist()]
        sources_of = [(origin.source, origin.realm) for origin in origins]
        if self._owned.issuperset(sources_of):
            return
        for source, owner in zip(sources_of, _owners(fresh, starts), strict=True):
            if source not in self._owned:
                step.owners[source] = owner if step.owners.get(source, owner) == owner else ("", "")

    def _detect(self, fresh: EventBatch, step: Step) -> None:
        ahead = max(frame.raws.received for frame in step.known.frames) + WATERMARK_AHEAD
        watermark = min(max(step.latest.values()), ahead)
        for detector in self.parts.detectors:
            try:
                step.findings += detector.detect(fresh)
                step.findings += detector.tick(watermark)
            except Exception:  # one broken detector must not stop the others, nor the storing of events
                name = type(detector).__name__
                self.detector_errors[name] += 1
                log.exception("detector %s failed on a batch of %d events", name, fresh.height)

    def _commit(self, partition: int, step: Step, at: int, end: int) -> None:
        now = clock.now()
        with self.parts.state.begin() as session:
            items = _quarantined(step)
            known = quarantine.present(session, [item.id for item in items.values()])
            for row, item in items.items():
                if item.id in known:  # the same bad record again: quarantined once, like a good one is stored once
                    step.fates[row] = DUPLICATE
            quarantine.add(session, (item for item in items.values() if item.id not in known))
            commits.advance(session, partition, end, _deltas(step, at), expect=at)
            if step.held.frames or self.held[partition].frames:
                held.save(session, partition, step.held.offsets)
            for (source, realm), (organisation, system) in step.owners.items():
                sources.own(session, source, realm, organisation, system)
            if step.findings:
                self.parts.triage(session, [_late(one, partition, at) for one in step.findings], now)
        self._owned |= {source for source, owner in step.owners.items() if owner[0]}


def _late(finding: Finding, partition: int, at: int) -> Finding:
    """A finding on a record from before this step, which waited: no alert's mark may take it for a replay."""
    return finding._replace(partition=-1) if finding.partition == partition and finding.offset < at else finding


def _deltas(step: Step, at: int) -> list[commits.FateDelta]:
    """Counts per source of one step; what is before `at` waited, and was counted as received then."""
    sums: dict[tuple[str, str], Counter[str]] = {}
    for number, frame in enumerate(step.known.frames):
        origin = frame.raws.origin
        count = sums.setdefault((origin.source, origin.realm), Counter())
        mine = step.fates[step.known.start[number] : step.known.start[number + 1]]
        count["received"] += len(mine) if frame.first >= at else 0
        for name, fate in COUNTED:
            count[name] += int((mine == fate).sum())
        count["events"] += step.events.get(number, 0)
        count["last_event"] = max(count["last_event"], step.latest.get(number, 0))
    return [commits.FateDelta(source=source, realm=realm, **count) for (source, realm), count in sums.items()]


def _owners(batch: EventBatch, starts: Ints) -> list[Owner]:
    """The one organisation, and the one system, that the events of each run belong to."""
    found: list[list[str]] = []
    for name in ("organization.id", "soc.system.id"):
        codes, values = batch.distinct(name)
        low, high = np.minimum.reduceat(codes, starts).tolist(), np.maximum.reduceat(codes, starts).tolist()
        found.append([str(values[a]) if a == b >= 0 else "" for a, b in zip(low, high, strict=True)])
    return list(zip(*found, strict=True))


def _quarantined(step: Step) -> dict[int, quarantine.Item]:
    """Row → item of what goes to quarantine. The id is made of place and content: a changed record is another one."""
    rows = np.array(sorted(step.reasons), dtype=np.int64)
    if not len(rows):
        return {}
    items = {}
    for row, record_id in zip(rows.tolist(), record_ids(step.known, rows), strict=True):
        number = int(step.known.frame[row])
        frame = step.known.frames[number]
        origin = frame.raws.origin
        raw = bytes(frame.raws.lines[row - int(step.known.start[number])])
        items[row] = quarantine.Item(
            id=f"{record_id}{zlib.crc32(raw):08x}",
            source=origin.source,
            realm=origin.realm,
            format=origin.format,
            received=frame.raws.received,
            reason=step.reasons[row],
            raw=raw,
            partition=frame.partition,
            offset=int(step.known.offset[row]),
            position=int(step.known.position[row]),
        )
    return items


def _pack(parts: Sequence[tuple[str, bytes]]) -> bytes:
    out = bytearray()
    for name, body in parts:
        for piece in (name.encode(), body):
            out += len(piece).to_bytes(8, "big") + piece
    return bytes(out)


def _unpack(blob: bytes) -> list[tuple[str, bytes]]:
    pieces, at = [], 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 8], "big")
        pieces.append(blob[at + 8 : at + 8 + size])
        at += 8 + size
    return [(pieces[i].decode(), pieces[i + 1]) for i in range(0, len(pieces), 2)]
