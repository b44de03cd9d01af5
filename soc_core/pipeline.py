"""The loop: journal → parse → assemble → identify → enrich → store → detect → one state transaction.

One worker has a partition at a time (worker.py). A step takes some of its records through everything and commits them;
the order of its two commits (events first, then state) makes a crash between them harmless: the events are met again
as our own replay, and count once. What other partitions' records may have to do with is sent to shares (shares.py)
between the two.

The events are stored *before* they are judged, so that a duplicate never reaches a detector.
"""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl
from sqlalchemy.orm import Session

from soc_core import canaries, clock, held, poison
from soc_core.events import EventBatch
from soc_core.held import NOTHING, Held
from soc_core.identify import Records, identify, record_ids, records
from soc_core.lanes import Failures, Guard, Lane, Memory, Remembering, named
from soc_core.models import Finding
from soc_core.protocols import (
    Assemble,
    Assembled,
    Detector,
    Enricher,
    EventStore,
    Frame,
    Ints,
    Journal,
    Parse,
    ParsedFrames,
)
from soc_core.shares import Outlet, Triage
from soc_core.sharing import Excusing, Partial, Sharing
from soc_core.state import commits, failures, quarantine, rulings, sources, windows
from soc_core.state.database import Database
from soc_core.tracing import Tracer

log = logging.getLogger(__name__)
WATERMARK_AHEAD = 5 * clock.MINUTE

NO_FATE, STORED, DUPLICATE, MERGED, QUARANTINED, HELD = range(6)
COUNTED = (("stored", STORED), ("duplicate", DUPLICATE), ("merged", MERGED), ("quarantined", QUARANTINED))
Fates = npt.NDArray[np.int8]
Owner = tuple[str, str]  # organisation and system, "" where unknown or more than one


@dataclass
class Parts:
    """What the loop is made of; wired in soc_cli, so that this file knows only the seams."""

    journal: Journal
    state: Database
    stores: Callable[[str], EventStore]
    parse: Parse
    enrichers: Sequence[Enricher]
    detectors: Callable[[], Sequence[Detector]]  # anew for each partition: their memory goes with it
    triage: Triage
    sharing: Sequence[Sharing] = ()  # whose memory is kept by key, whatever the partition (shares.py)
    shared: Journal | None = None
    assemble: Assemble = lambda parsed, frames, now: Assembled(parsed, [], held.NEVER)
    tracer: Tracer = field(default_factory=Tracer)


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
    partials: dict[str, list[Partial]] = field(default_factory=dict)  # by detector
    excused: dict[str, int] = field(default_factory=dict)  # exception → matches that it took back
    unjudged: str = ""  # why the rules did not judge it


class Partition(Lane):
    """One partition of the journal on its way through the loop."""

    def __init__(self, parts: Parts, number: int, outlet: Outlet | None, guard: Guard, failed: Failures) -> None:
        self.parts, self.outlet, self.failed = parts, outlet, failed
        self.detectors = parts.detectors()
        self.enrichers = [each.anew() if isinstance(each, Remembering) else each for each in parts.enrichers]
        self.held, self._waiting = NOTHING, list[int]()
        self._owned: set[tuple[str, str]] = set()
        super().__init__(number, parts.journal, number, parts.state, guard, parts.tracer.stir)

    def look(self, session: Session) -> None:
        self._waiting = held.load(session, self.number)

    def opened(self) -> None:
        self.held = held.read(self.journal, self.partition, self._waiting)

    def memories(self) -> Sequence[tuple[str, Memory]]:
        own: list[Memory] = [each for each in self.enrichers if isinstance(each, Remembering)]
        return [("held", _Waiting(self)), *((named(each), each) for each in (*own, *self.detectors))]

    @property
    def forgetful(self) -> bool:
        return len(self.memories()) == 1

    @property
    def wanted(self) -> int:
        return min([self.base, *self.held.offsets[:1]])

    def run(self, final: bool = False) -> int:
        """One step over the partition; `final` ends every wait. Returns the records new or no longer waiting."""
        at, mark, waiting = self.cursor, self.mark, self.held
        replay = at < mark
        self.trace = self.parts.tracer.begin(self.number, at)
        with self.trace.stage("read"):
            frames = self.read()
        if not frames and (not waiting.frames or (waiting.due > clock.now() and not final)):
            return 0
        known = records([*waiting.frames, *frames], self.journal.epoch)
        end = max(int(known.offset[-1]) + 1, at)
        behind = replay or self.journal.end(self.partition) > end
        step = self._judge(known, clock.LATEST if final and not behind else 0 if behind else clock.now())
        if not replay:
            if self.outlet and step.partials:
                with self.trace.stage("share"):
                    self.outlet.send(self.partition, self.journal.epoch, at, end, step.partials)
            with self.trace.stage("commit"):
                self._commit(step, at, end)
            self.mark = end
            self._traced(step, frames, at, end)
        self.cursor, self.held = end, step.held
        self.dirty, self.touched = True, False
        return 0 if replay else end - at + len(waiting.offsets) - len(step.held.offsets)

    def _traced(self, step: Step, frames: Sequence[Frame], at: int, end: int) -> None:
        delay = (clock.now() - min(frame.raws.received for frame in frames)) / clock.SECOND if frames else 0.0
        rules = Counter(finding.rule_id for finding in step.findings)
        self.parts.tracer.finish(self.trace, end, end - at, sum(step.events.values()), rules, delay)

    def _judge(self, known: Records, now: clock.Micros) -> Step:
        """What becomes of the records; those that make this fail go to quarantine, and do not stop the partition."""
        try:
            return self._judged(known, now)
        except OSError:  # an engine is away
            raise
        except Exception:  # whatever a parser of ours raised: which records make it do so is looked for
            found = poison.culprits(known.frames, self._trial)
            if not found:
                raise
            log.exception("partition %d: %d records cannot be processed", self.number, len(found))
            return self._judged(records(poison.without(known.frames, found), self.journal.epoch), now)

    def _trial(self, frames: Sequence[Frame]) -> None:
        """Everything that is made of the records alone."""
        identify(self.parts.parse(frames), records(frames, self.journal.epoch))[0].frame()

    def _judged(self, known: Records, now: clock.Micros) -> Step:
        with self.trace.stage("parse"):
            read = self.parts.parse(known.frames)
        with self.trace.stage("assemble"):
            parsed, waiting, due = self.parts.assemble(read, known.frames, now)
        step = Step(known, np.full(known.total, NO_FATE, dtype=np.int8))
        if waiting:
            rows = np.array([int(known.start[frame]) + line for frame, line in waiting], dtype=np.int64)
            step.fates[rows] = HELD
            step.held = Held(held.pick(known, rows), due)
        with self.trace.stage("identify"):
            batch, record = identify(parsed, known)
        with self.trace.stage("enrich"):
            for enricher in self.enrichers:
                batch = enricher.enrich(batch)
        with self.trace.stage("store"):
            kept = self._store(batch, record, step)
        self._settle(parsed, step)
        fresh = batch if kept.all() else batch.take(kept)
        if fresh.height:
            self._count(fresh, record[kept], step)
            if (canary := (fresh.column("soc.realm") == canaries.REALM).to_numpy()).any():
                fresh = fresh.take(~canary)  # what only proves the way is not judged
            if fresh.height:
                with self.trace.stage("detect"):
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
        self.touched = True
        for detector in self.detectors:
            try:
                with self.parts.tracer.detector(named(detector)):
                    step.findings += detector.detect(fresh)
                    step.findings += detector.tick(watermark)
            except Exception as error:  # one broken detector must not stop the others, nor the storing of events
                self.failed.note(named(detector), error)
        for each in self.parts.sharing if self.cursor >= self.mark else ():
            judged = False
            try:
                with self.parts.tracer.detector(named(each)):
                    found, partials = each.sift(fresh)
                judged = True
                step.findings += found
                step.partials[named(each)] = partials
                if isinstance(each, Excusing):
                    step.excused.update(each.passed_over())
            except Exception as error:  # one detector's defect must not stop the others
                self.failed.note(named(each), error)
                if not judged:
                    step.unjudged = f"{named(each)}: {error}"

    def _commit(self, step: Step, at: int, end: int) -> None:
        now, partition = clock.now(), self.partition
        with self.state.begin() as session:
            self.hold(session)
            items = _quarantined(step)
            known = quarantine.present(session, [item.id for item in items.values()])
            for row, item in items.items():
                if item.id in known:  # the same bad record again: quarantined once, like a good one is stored once
                    step.fates[row] = DUPLICATE
            quarantine.again(session, {item.id: item.reason for row, item in items.items()
                                       if item.id in known and step.known.origin(row).identity})
            quarantine.add(session, (item for item in items.values() if item.id not in known))
            commits.advance(session, partition, end, _deltas(step, at), expect=at)
            if step.held.frames or self.held.frames:
                held.save(session, partition, step.held.offsets)
            for (source, realm), (organisation, system) in step.owners.items():
                if organisation or system:  # else there is nothing to say
                    sources.own(session, source, realm, organisation, system)
            failures.note(session, self.failed.fresh)
            rulings.suppress(session, step.excused)
            if step.unjudged:
                _missed(session, step, partition, at, end)
            if step.findings:
                self.parts.triage(session, [_late(one, partition, at) for one in step.findings], now)
        self.failed.fresh.clear()
        self._owned |= {source for source, owner in step.owners.items() if owner[0]}


def _missed(session: Session, step: Step, partition: int, at: int, end: int) -> None:
    """The rules failed on this step: its events are judged in the store, later."""
    first = min([at, *(frame.first for frame in step.known.frames)])
    times = step.latest.values()
    for realm in sorted({frame.raws.origin.realm for frame in step.known.frames}):
        windows.missed(session, realm, (min(times), max(times)), partition, (first, end), step.unjudged)


class _Waiting:
    """What of a partition waited at its cursor, as a memory."""

    def __init__(self, lane: Partition) -> None:
        self.lane = lane

    def snapshot(self) -> bytes:
        return self.lane.journal.epoch.encode() + b" " + held.pack(self.lane.held.offsets)

    def restore(self, state: bytes) -> None:
        epoch, _, offsets = state.rpartition(b" ")
        if epoch.decode() == self.lane.journal.epoch:  # what waited in another journal is not in this one
            try:
                self.lane.held = held.read(self.lane.journal, self.lane.partition, held.unpack(offsets))
            except held.Lost as error:  # a replay warms memories alone; `opened` insists on what waits for its fate
                log.warning("%s", error)


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
        origin = step.known.origin(row)
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
            origin=origin.model_dump_json(exclude_defaults=True),
        )
    return items
