"""Frames from the journal to events: find each line's format, parse line sets of one format at once, lose nothing.

A pure function of its frames. Every line ends in exactly one of: events, merged, faults.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from collectors.continuation import continued
from soc_core import registry
from soc_core.clock import HOUR
from soc_core.events import EventBatch, Part
from soc_core.garbage import uncollected
from soc_core.protocols import Context, Fault, Frame, FrameFault, Ints, Origin, Parsed, ParsedFrames

log = logging.getLogger(__name__)

PACKAGE = "collectors.formats"
FALLBACK = "text"
SAMPLE = 50
SURE = 0.9  # a second format must be this sure of a line that the first could not read
BROKEN: set[str] = set()  # formats that failed to look at lines; each is logged once a process


class Key(NamedTuple):
    """Lines with equal keys are parsed in one call; receipt is rounded up to the hour, as it only decides the year."""

    format: str
    timezone: str
    encoding: str
    hour: int
    header: str = ""


class Lines(NamedTuple):
    """Lines of many frames side by side, with where each stands."""

    lines: list[bytes]
    frames: Ints
    numbers: Ints


def formats() -> list[tuple[str, str]]:
    """Every format there is: (name, one line on what it reads)."""
    docs = ((name, registry.get(PACKAGE, name).__doc__ or "") for name in registry.names(PACKAGE))
    return [(name, doc.strip().splitlines()[0] if doc.strip() else "") for name, doc in docs]


def detect(lines: Sequence[bytes]) -> str:
    """The format that is surest of a sample of lines; "text" when none is. Never raises.

    A format's `sniff` is given at most SAMPLE lines and looks at all of them.
    """
    picked = _spread([line for line in lines if line.strip()])
    if not picked:
        return FALLBACK
    scores = {name: _sniff(name, picked) for name in registry.names(PACKAGE)}
    return max(scores, key=lambda name: (scores[name], name == FALLBACK), default=FALLBACK)


def parse(frames: Sequence[Frame]) -> ParsedFrames:
    """One batch over all frames, in the order of (frame, line); see ParsedFrames."""
    with uncollected():
        return _parse(frames)


def _parse(frames: Sequence[Frame]) -> ParsedFrames:
    faults: list[FrameFault] = []
    origins: dict[Origin, list[tuple[int, Ints]]] = {}
    for at, frame in enumerate(frames):
        raws = frame.raws
        faults += [FrameFault(at, line, reason) for line, reason in sorted(raws.damaged.items())]
        whole = np.arange(len(raws.lines), dtype=np.int64)
        if raws.damaged:
            whole = np.setdiff1d(whole, list(raws.damaged))
        if len(whole):
            origins.setdefault(raws.origin, []).append((at, whole))
    groups: dict[Key, list[tuple[int, Ints]]] = {}
    for origin, members in origins.items():
        name = origin.format if origin.format in registry.names(PACKAGE) else detect(_collect(frames, members).lines)
        latest = max(frames[at].raws.received for at, _ in members) if continued(name) else 0  # a record is not cut
        for at, numbers in members:
            hour = -(-(latest or frames[at].raws.received) // HOUR)
            key = Key(name, origin.timezone, origin.encoding, hour, origin.header)
            groups.setdefault(key, []).append((at, numbers))
    results: list[tuple[Lines, str, Parsed]] = []
    for key, members in groups.items():
        results += _read(frames, members, key)
    return _joined(results, faults)


def _read(frames: Sequence[Frame], members: list[tuple[int, Ints]], key: Key) -> list[tuple[Lines, str, Parsed]]:
    """One format's lines; where records have several lines, those of two sources are not let run into each other."""
    ctx = Context(key.hour * HOUR, key.timezone, key.encoding, key.header)
    names = [frames[at].raws.origin.source for at, _ in members]
    if not continued(key.format) or len(set(names)) == 1:
        return _with_second_chance(_collect(frames, members), key, ctx)
    members = [member for _, member in sorted(zip(names, members, strict=True), key=lambda pair: pair[0])]
    held = _collect(frames, members)
    codes = np.unique([frame.raws.origin.source for frame in frames], return_inverse=True)[1][held.frames]
    firsts = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    found = _with_second_chance(held, key, ctx)
    odd = {*found[0][2].merged, *(fault.line for fault in found[0][2].faults)}
    if odd.isdisjoint(firsts.tolist()):
        return found
    alone: dict[str, list[tuple[int, Ints]]] = {}
    for at, numbers in members:
        alone.setdefault(frames[at].raws.origin.source, []).append((at, numbers))
    return [part for some in alone.values() for part in _with_second_chance(_collect(frames, some), key, ctx)]


def _spread(lines: Sequence[bytes]) -> list[bytes]:
    """At most SAMPLE lines from all over."""
    step = max(len(lines) // SAMPLE, 1)
    return list(lines[::step][:SAMPLE])


def _sniff(name: str, lines: Sequence[bytes]) -> float:
    try:
        return float(registry.get(PACKAGE, name).sniff(lines))
    except Exception:  # a defect of one format must not keep the others from these lines; it is no candidate for them
        if name not in BROKEN:
            BROKEN.add(name)
            log.exception("format %s failed to look at lines and is passed over for such", name)
        return 0.0


def _collect(frames: Sequence[Frame], members: Sequence[tuple[int, Ints]]) -> Lines:
    lines: list[bytes] = []
    for at, numbers in members:
        held = frames[at].raws.lines
        lines += held if len(numbers) == len(held) else [held[n] for n in numbers]
    return Lines(
        lines,
        np.concatenate([np.full(len(numbers), at, dtype=np.int64) for at, numbers in members]),
        np.concatenate([numbers for _, numbers in members]),
    )


def _with_second_chance(held: Lines, key: Key, ctx: Context) -> list[tuple[Lines, str, Parsed]]:
    """What the format reads, and what another one is sure of among the lines it does not."""
    first = guarded(key.format, held.lines, ctx)
    results = [(held, key.format, first)]
    if not first.faults:
        return results
    other: dict[str, list[Fault]] = {}
    for start in range(0, len(first.faults), SAMPLE):
        some = first.faults[start : start + SAMPLE]
        for name, chosen in _others([held.lines[fault.line] for fault in some], _rest(key.format)):
            other.setdefault(name, []).extend(some[n] for n in chosen)
    kept = other.pop("", [])
    for name, lost in other.items():
        rows = np.array([fault.line for fault in lost], dtype=np.int64)
        again = Lines([held.lines[n] for n in rows], held.frames[rows], held.numbers[rows])
        second = guarded(name, again.lines, ctx)
        kept += [lost[fault.line] for fault in second.faults]  # the first reason is the one that explains
        results.append((again, name, Parsed(second.batch, second.line_no, [], second.merged)))
    results[0] = (held, key.format, Parsed(first.batch, first.line_no, sorted(kept), first.merged))
    return results


def _rest(tried: str) -> list[str]:
    return [name for name in registry.names(PACKAGE) if name not in (tried, FALLBACK)]


def _others(lines: Sequence[bytes], names: Sequence[str], base: int = 0) -> list[tuple[str, range]]:
    """(format, lines) for each run of lines that one format is sure of, and ("", lines) for the rest.

    Lines are looked at together and halved only while some format reads a part of them, so garbage costs little.
    """
    every = range(base, base + len(lines))
    scores = {name: score for name in names if (score := _sniff(name, lines)) > 0} if any(map(bytes.strip,
        lines)) else {}
    best = max(scores, key=lambda name: scores[name], default="")
    if best and scores[best] >= SURE:
        return [(best, every)]
    if not best or len(lines) == 1:
        return [("", every)]
    middle = len(lines) // 2
    return _others(lines[:middle], list(scores), base) + _others(lines[middle:], list(scores), base + middle)


def guarded(name: str, lines: Sequence[bytes], ctx: Context) -> Parsed:
    """A format's parse that never raises: lines that make it fail become faults, found by halving."""
    try:
        parsed: Parsed = registry.get(PACKAGE, name).parse(lines, ctx)
        return parsed
    except Exception as error:  # whatever a format's defect is: its line goes to quarantine with this as the reason
        if len(lines) <= 1:
            reason = f"parser error: {name}: {type(error).__name__}: {error}"[:300]
            return Parsed(EventBatch(0, []), np.empty(0, dtype=np.int64), [Fault(n, reason) for n in range(len(lines))])
    middle = len(lines) // 2
    left, right = guarded(name, lines[:middle], ctx), guarded(name, lines[middle:], ctx)
    return Parsed(
        EventBatch.concat([left.batch, right.batch]),
        np.concatenate([left.line_no, right.line_no + middle]),
        left.faults + [Fault(fault.line + middle, fault.reason) for fault in right.faults],
        left.merged + [n + middle for n in right.merged],
    )


def _joined(results: Sequence[tuple[Lines, str, Parsed]], faults: list[FrameFault]) -> ParsedFrames:
    """All results as one batch in the order of (frame, line)."""
    frame_no, line_no, merged = [], [], []
    parts: list[Part] = []
    at = 0
    for held, name, parsed in results:
        faults += [FrameFault(int(held.frames[n]), int(held.numbers[n]), reason) for n, reason in parsed.faults]
        merged += [(int(held.frames[n]), int(held.numbers[n])) for n in parsed.merged]
        frame_no.append(held.frames[parsed.line_no])
        line_no.append(held.numbers[parsed.line_no])
        named = parsed.batch.with_columns({"soc.format": name})
        parts += [Part(part.rows + at, part.table) for part in named.parts]
        at += parsed.batch.height
    if not at:
        none = np.empty(0, dtype=np.int64)
        return ParsedFrames(EventBatch(0, []), none, none, sorted(faults), sorted(merged))
    where_frame, where_line = np.concatenate(frame_no), np.concatenate(line_no)
    order = np.lexsort((where_line, where_frame))
    if not np.array_equal(order, np.arange(at)):
        place = np.empty(at, dtype=np.int64)
        place[order] = np.arange(at)
        parts = [Part(place[part.rows], part.table) for part in parts]
    return ParsedFrames(EventBatch(at, parts), where_frame[order], where_line[order], sorted(faults), sorted(merged))
