"""Records of several lines (stack traces, slow queries, serial audit logs): whether the last one may still go on.

Such formats merge the lines that go on into the event of the first (Parsed.merged) and name in CONTINUED the data sets
of which that is true. Here the last record of each of their sources is held until another of the source follows or
nothing comes for a while, so that a batch that ends within a record changes nothing; and the event keeps all its lines.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from soc_core import registry
from soc_core.clock import LATEST, SECOND, Micros
from soc_core.events import EventBatch, Part
from soc_core.protocols import Assembled, Frame, ParsedFrames

PACKAGE = "collectors.formats"
HOLD = 2 * SECOND  # receipt time after which a record goes on no more
LONGEST = 2000  # lines of one record
Place = tuple[int, int]
NOWHERE = (1 << 62, 0)


class Lines(NamedTuple):
    """A source's events (numbers in the batch, and their places), merged lines and faults, each in order."""

    events: list[int]
    places: list[Place]
    merged: list[Place]
    faults: list[Place]


def continued(name: str) -> frozenset[str]:
    """The data sets of a format whose records may have several lines."""
    module = registry.get(PACKAGE, name) if name in registry.names(PACKAGE) else None
    found: frozenset[str] = getattr(module, "CONTINUED", frozenset())
    return found


def settle(parsed: ParsedFrames, frames: Sequence[Frame], now: Micros) -> Assembled:
    """The events that are whole, each with all its lines; from the last record of each source on lines are held.

    Lines after it that no format could read are held, too: they may be the beginning of the next.
    """
    mine = _candidates(parsed.batch)
    some = {int(parsed.frame_no[event]) for event in mine} | {
        fault.frame for fault in parsed.faults if continued(frames[fault.frame].raws.origin.format)}
    held: set[Place] = set()
    joined = list(parsed.joined)
    due = LATEST
    for lines in _by_source(parsed, frames, some) if some else ():
        goes_on = bool(lines.events) and lines.events[-1] in mine
        tail = _tail(lines, goes_on)
        until = _patience(frames, tail[-1][0]) if tail else 0
        if until and now <= until:
            held.update(tail)
            due = min(due, until)
        for event, place, following in zip(lines.events, lines.places, [*lines.places, NOWHERE][1:], strict=True):
            more = lines.merged[bisect_right(lines.merged, place) : bisect_left(lines.merged, following)]
            if more and event in mine and place not in held:
                joined.append((place, *more))
    if not held and len(joined) == len(parsed.joined):
        return Assembled(parsed, [], LATEST)
    return Assembled(_without(parsed, held, joined), sorted(held), due)


def _tail(lines: Lines, goes_on: bool) -> list[Place]:
    """A source's lines from its last record on, in order; none where they are too many to be one record."""
    last = lines.places[-1] if lines.places else (-1, 0)
    after = lines.merged[bisect_right(lines.merged, last) :] if goes_on else []
    after = sorted([*after, *lines.faults[bisect_right(lines.faults, last) :]])
    if len(after) > LONGEST:
        return []
    return [*([last] if goes_on else []), *after]


def _candidates(batch: EventBatch) -> set[int]:
    """Events whose record may have several lines."""
    found: set[int] = set()
    for part in batch.parts:
        if "soc.format" in part.table and (sets := continued(_first(part, "soc.format"))) and (
                "event.dataset" in part.table and _first(part, "event.dataset") in sets):
            found.update(part.rows.tolist())
    return found


def _first(part: Part, name: str) -> str:
    """What all rows of a shape say."""
    column = part.table.held[name]
    return str(column.single if column.single is not None else column.series[0])


def _by_source(parsed: ParsedFrames, frames: Sequence[Frame], some: set[int]) -> list[Lines]:
    """What became of the lines of each source that has one of the frames `some`, all in order."""
    names = [(frame.raws.origin.realm, frame.raws.origin.source) for frame in frames]
    wanted = {names[frame] for frame in some}
    found: dict[tuple[str, str], Lines] = {name: Lines([], [], [], []) for name in wanted}
    for event, place in enumerate(zip(parsed.frame_no.tolist(), parsed.line_no.tolist(), strict=True)):
        if (lines := found.get(names[place[0]])) is not None:
            lines.events.append(event)
            lines.places.append(place)
    for place in sorted(parsed.merged):
        if (lines := found.get(names[place[0]])) is not None:
            lines.merged.append(place)
    for fault in sorted(parsed.faults):
        if (lines := found.get(names[fault.frame])) is not None:
            lines.faults.append((fault.frame, fault.line))
    return list(found.values())


def _patience(frames: Sequence[Frame], last: int) -> Micros:
    """Until when more of a record is waited for; 0 where a later receipt tells that the time has passed."""
    until = frames[last].raws.received + HOLD
    return 0 if any(frame.raws.received > until for frame in frames[last + 1 :]) else until


def _without(parsed: ParsedFrames, held: set[Place], joined: Sequence[tuple[Place, ...]]) -> ParsedFrames:
    """What is not held."""
    keep = np.fromiter(((frame, line) not in held for frame, line in zip(
        parsed.frame_no.tolist(), parsed.line_no.tolist(), strict=True)), dtype=bool, count=parsed.batch.height)
    return ParsedFrames(
        parsed.batch.take(keep), parsed.frame_no[keep], parsed.line_no[keep],
        [fault for fault in parsed.faults if (fault.frame, fault.line) not in held],
        [place for place in parsed.merged if place not in held], list(joined),
    )
