"""Events that are parts of one (an audit event's records, a script's parts, a stack trace's lines) made one.

A pure function of the records it is given: what is still open at their end is handed back as held, and comes again
with the next ones (soc_core/held.py). So any cut into batches gives the same events. The plug-ins are
collectors/assemble/NAME.py (protocols.Assembler).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

import numpy as np
import polars as pl

from collectors import continuation
from soc_core import registry
from soc_core.clock import LATEST, SECOND, Micros
from soc_core.events import EventBatch, Part
from soc_core.protocols import Assembled, Frame, Ints, Links, ParsedFrames
from soc_core.text import decode

log = logging.getLogger(__name__)

PACKAGE = "collectors.assemble"
HOLD = 2 * SECOND  # receipt time without more of it after which a group is complete
AHEAD = 256  # a record this much later by its number ends a group of the same source
MEMBERS = 2048
BYTES = 1 << 20  # a group of more is cut, as a line would be refused
HELD = 20_000  # records held of a partition; the oldest groups are completed beyond


class Rows(NamedTuple):
    """Events that one assembler knows: their numbers in the batch, ascending, and their columns."""

    module: ModuleType
    events: Ints
    frame: pl.DataFrame


@dataclass
class Group:
    """Rows of one event so far."""

    source: str
    rows: list[int]
    last: int  # frame of the latest row
    size: int
    order: int | None
    parts: set[int] = field(default_factory=set)


class Chains:
    """Groups the rows of one assembler; which frame each row is of decides source and receipt."""

    def __init__(self, frames: Sequence[Frame], row_frames: Sequence[int], sizes: Sequence[int]) -> None:
        self.received = np.array([frame.raws.received for frame in frames], dtype=np.int64)
        self.highest = np.maximum.accumulate(self.received) if len(frames) else self.received
        self.sources = [f"{frame.raws.origin.realm}\n{frame.raws.origin.source}" for frame in frames]
        self.row_frames, self.sizes = row_frames, sizes
        self.open: dict[tuple[str, str], Group] = {}
        self.done: list[Group] = []
        self.void: list[int] = []
        self.held = 0

    def run(self, links: Links) -> None:
        """Take in all rows."""
        for row, key in enumerate(links.key):
            source = self.sources[self.row_frames[row]]
            order = links.order[row] if links.order else None
            if order is not None:
                self._overtake(source, order)
            if key is not None:
                self._take(row, (source, key), order, links)

    def _take(self, row: int, name: tuple[str, str], order: int | None, links: Links) -> None:
        group = self.open.get(name)
        if group and (not links.joins[row] or self._expired(group, self.row_frames[row])
                      or len(group.rows) >= MEMBERS or group.size + self.sizes[row] > BYTES):
            self._close(name)
            group = None
        if links.void and links.void[row]:
            self.void.append(row)
            if group:
                self._close(name)
            return
        if group is None:
            if not links.opens[row]:
                return
            group = self.open[name] = Group(name[0], [], 0, 0, order)
        group.rows.append(row)
        group.last, group.size = self.row_frames[row], group.size + self.sizes[row]
        self.held += 1
        if links.part and links.part[row] is not None:
            group.parts.add(int(links.part[row] or 0))
        if links.ends[row] or (links.total and len(group.parts) >= (links.total[row] or LATEST)):
            self._close(name)
        while self.held > HELD:
            self._close(next(iter(self.open)))

    def _overtake(self, source: str, order: int) -> None:
        """End the oldest groups of this source that the record's number has left behind."""
        for name in [name for name, group in self.open.items() if group.source == source]:
            group = self.open[name]
            if group.order is None or group.order + AHEAD > order:
                return
            self._close(name)

    def _expired(self, group: Group, frame: int) -> bool:
        """Whether anything after the group's latest row, up to this frame, was received more than HOLD later."""
        limit = int(self.received[group.last]) + HOLD
        return int(self.highest[frame]) > limit and bool((self.received[group.last + 1 : frame + 1] > limit).any())

    def _close(self, name: tuple[str, str]) -> None:
        group = self.open.pop(name)
        self.held -= len(group.rows)
        self.done.append(group)

    def end(self, now: Micros) -> Micros:
        """Complete what has waited long enough by the clock `now`; returns when the next of the others will have."""
        due = LATEST
        for name, group in list(self.open.items()):
            until = int(self.received[group.last]) + HOLD
            if now > until or self._expired(group, len(self.received) - 1):
                self._close(name)
            else:
                due = min(due, until)
        return due


@dataclass
class Outcome:
    """What becomes of the events, over all assemblers."""

    keep: np.ndarray[tuple[int], np.dtype[np.bool_]]
    heads: list[Part] = field(default_factory=list)  # events that become joined ones
    held: list[int] = field(default_factory=list)
    merged: list[int] = field(default_factory=list)
    joined: list[list[int]] = field(default_factory=list)


def assemble(parsed: ParsedFrames, frames: Sequence[Frame], now: Micros) -> Assembled:
    """Join what belongs together; see protocols.Assemble."""
    known = _rows(parsed.batch)
    outcome = Outcome(np.ones(parsed.batch.height, dtype=bool))
    due = LATEST
    for rows in known:
        due = min(due, _chain(rows, parsed, frames, now, outcome))
    whole, held, later = continuation.settle(_rebuilt(parsed, outcome) if known else parsed, frames, now)
    held += [_place(parsed, event) for event in outcome.held]
    return Assembled(whole, sorted(held), min(due, later))


def _rows(batch: EventBatch) -> list[Rows]:
    found = []
    for name in registry.names(PACKAGE):
        module = registry.get(PACKAGE, name)
        parts = [part for part in batch.parts if module.mine(part.table)]
        if parts:
            events = np.concatenate([part.rows for part in parts])
            order = np.argsort(events, kind="stable")
            frame = pl.concat([part.frame for part in parts], how="diagonal") if len(parts) > 1 else parts[0].frame
            found.append(Rows(module, events[order], frame if np.array_equal(order, np.arange(len(order)))
                              else frame[order]))
    return found


def _chain(rows: Rows, parsed: ParsedFrames, frames: Sequence[Frame], now: Micros, outcome: Outcome) -> Micros:
    """Group the rows of one assembler and note the outcome."""
    places = [_place(parsed, event) for event in rows.events.tolist()]
    chains = Chains(frames, [frame for frame, _ in places],
                    [len(frames[frame].raws.lines[line]) for frame, line in places])
    try:
        links: Links = rows.module.links(rows.frame)
    except Exception:  # a defect of one assembler must not stop the events: what cannot be linked stays as it is
        log.exception("assembler %s failed on %d events", rows.module.__name__, len(places))
        return LATEST
    chains.run(_alone(links, places))
    due = chains.end(now)
    many = sorted((group.rows for group in chains.done if len(group.rows) > 1), key=lambda group: group[0])
    joined = _joined(rows, many, places, frames) if many else None
    if joined is not None:
        outcome.heads.append(Part(rows.events[[group[0] for group in many]], joined))
        outcome.joined += [rows.events[group].tolist() for group in many]
        outcome.merged += [int(rows.events[row]) for group in many for row in group[1:]]
    outcome.merged += rows.events[chains.void].tolist() if chains.void else []
    outcome.held += [int(rows.events[row]) for group in chains.open.values() for row in group.rows]
    gone = [event for one in outcome.joined for event in one]
    outcome.keep[gone + outcome.merged + outcome.held] = False
    return due


def _alone(links: Links, places: Sequence[tuple[int, int]]) -> Links:
    """Records of several events take part in nothing: their events have one fate together."""
    seen: dict[tuple[int, int], int] = {}
    for place in places:
        seen[place] = seen.get(place, 0) + 1
    if len(seen) == len(places):
        return links
    return links._replace(key=[None if seen[place] > 1 else key for key, place in zip(links.key, places, strict=True)])


def _joined(rows: Rows, groups: Sequence[Sequence[int]], places: Sequence[tuple[int, int]],
            frames: Sequence[Frame]) -> pl.DataFrame | None:
    """One row a group; None where the assembler fails: then each record stays an event of its own."""
    flat = [row for group in groups for row in group]
    originals = []
    for row in flat:
        frame, line = places[row]
        raws = frames[frame].raws
        originals.append(decode(raws.lines[line], raws.origin.encoding))
    members = rows.frame[flat].with_columns(
        pl.Series("group", [number for number, group in enumerate(groups) for _ in group], dtype=pl.Int64),
        pl.Series("original", originals, dtype=pl.String),
    )
    try:
        made: pl.DataFrame = rows.module.join(members)
        if made.height != len(groups):
            raise ValueError(f"{made.height} events of {len(groups)} groups")
    except Exception:  # likewise: the records stay events of their own, and none is lost
        log.exception("assembler %s failed on %d groups", rows.module.__name__, len(groups))
        return None
    return made.drop("group", "original", strict=False)


def _place(parsed: ParsedFrames, event: int) -> tuple[int, int]:
    return int(parsed.frame_no[event]), int(parsed.line_no[event])


def _rebuilt(parsed: ParsedFrames, outcome: Outcome) -> ParsedFrames:
    """The batch with joined events in the places of their first records, without their other records and the held."""
    keep = outcome.keep
    final = keep.copy()
    for head in outcome.heads:
        final[head.rows] = True
    place = np.cumsum(final) - 1
    parts: list[Part] = []
    for part in parsed.batch.parts:
        mine = keep[part.rows]
        if mine.any():
            parts.append(Part(place[part.rows[mine]], part.table if mine.all() else part.table.filter(mine)))
    parts += [Part(place[head.rows], head.frame) for head in outcome.heads]
    merged = sorted({*parsed.merged, *_places(parsed, outcome.merged)})
    return ParsedFrames(
        EventBatch(int(final.sum()), parts), parsed.frame_no[final], parsed.line_no[final], parsed.faults, merged,
        [tuple(_places(parsed, events)) for events in outcome.joined],
    )


def _places(parsed: ParsedFrames, events: Iterable[int]) -> list[tuple[int, int]]:
    return [_place(parsed, event) for event in events]
