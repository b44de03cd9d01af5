"""Records of several lines (stack traces, slow queries, serial audit logs): whether the last one may still go on.

Such formats merge the lines that go on into the event of the first (Parsed.merged) and name in CONTINUED the data sets
of which that is true. Here the last record of each of their sources is held until another of the source follows or
nothing comes for a while, so that a batch that ends within a record changes nothing; and the event keeps all its lines.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from soc_core import registry
from soc_core.clock import LATEST, SECOND, Micros
from soc_core.events import EventBatch, Part
from soc_core.protocols import Assembled, Frame, ParsedFrames

PACKAGE = "collectors.formats"
HOLD = 2 * SECOND  # receipt time after which a record goes on no more
LONGEST = 2000  # lines of one record
Place = tuple[int, int]


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
    for numbers in _by_source(frames, some).values() if some else ():
        events = np.flatnonzero(np.isin(parsed.frame_no, numbers)).tolist()
        places = [(int(parsed.frame_no[event]), int(parsed.line_no[event])) for event in events]
        merged = [place for place in parsed.merged if place[0] in numbers]
        tail = _tail(parsed, numbers, places, merged, bool(events) and events[-1] in mine)
        until = _patience(frames, tail[-1][0]) if tail else 0
        if until and now <= until:
            held.update(tail)
            due = min(due, until)
        for event, place, following in zip(events, places, [*places, (len(frames), 0)][1:], strict=True):
            lines = merged[bisect_right(merged, place) : bisect_left(merged, following)] if event in mine else []
            if lines and place not in held:
                joined.append((place, *lines))
    if not held and len(joined) == len(parsed.joined):
        return Assembled(parsed, [], LATEST)
    return Assembled(_without(parsed, held, joined), sorted(held), due)


def _tail(parsed: ParsedFrames, numbers: Sequence[int], places: Sequence[Place], merged: Sequence[Place],
          goes_on: bool) -> list[Place]:
    """A source's lines from its last record on, in order; none where they are too many to be one record."""
    last = places[-1] if places else (-1, 0)
    after = [place for place in merged if place > last] if goes_on else []
    after += [(fault.frame, fault.line) for fault in parsed.faults
              if fault.frame in numbers and (fault.frame, fault.line) > last]
    if len(after) > LONGEST:
        return []
    return [*([last] if goes_on else []), *sorted(after)]


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


def _by_source(frames: Sequence[Frame], some: set[int]) -> dict[tuple[str, str], list[int]]:
    """The frames of each source that has one of `some`."""
    sources: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, frame in enumerate(frames):
        sources[frame.raws.origin.realm, frame.raws.origin.source].append(number)
    return {source: numbers for source, numbers in sources.items() if not some.isdisjoint(numbers)}


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
