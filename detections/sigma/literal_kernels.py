"""The loop of literals.py: which of many literals stand in texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from soc_core.native import kernel
from soc_core.words import alike, load4

GRAM = 4  # bytes by which a literal anywhere in a text is found
WHOLE, HEAD, TAIL = 0, 1, 2


@kernel
def ended(data: Any, start: int, size: int, key: Any, kind: int, ends: Any, row: int, counts: Any, rows: Any, hits: Any
          ) -> None:
    """Tell the literals of this kind that are these bytes, whose hash is the key."""
    literal = ends.slots[np.int64(key >> ends.shift)]
    while literal:
        if (ends.keys[literal] == key and ends.kinds[literal] == kind
                and ends.bounds[literal + 1] - ends.bounds[literal] == size
                and alike(data, start, ends.data, ends.bounds[literal], size)):
            rows[counts[0]], hits[counts[0]] = row, literal
            counts[0] += 1
        literal = ends.following[literal]


@kernel
def within(data: Any, start: int, end: int, at: int, literal: int, grams: Any, told: Any, row: int, counts: Any,
           rows: Any, hits: Any) -> None:
    """Tell the literals of this chain that stand around here, each once for a text."""
    mark = counts[1]
    while literal:
        begin = at - grams.places[literal]
        size = grams.bounds[literal + 1] - grams.bounds[literal]
        if (told[literal] != mark and begin >= start and begin + size <= end
                and alike(data, begin, grams.data, grams.bounds[literal], size)):
            told[literal] = mark
            rows[counts[0]], hits[counts[0]] = row, literal
            counts[0] += 1
        literal = grams.following[literal]


@kernel
def find(data: Any, starts: Any, stops: Any, ends: Any, grams: Any, told: Any, done: int, counts: Any, rows: Any,
         hits: Any) -> int:
    """Literals of each text from `done` on: `rows` and `hits`, numbers of texts and of literals; up to where there is
    room for all literals. counts: how many, and of how many texts `told` speaks."""
    for row in range(done, len(starts)):
        start, end = starts[row], stops[row]
        size = end - start
        if counts[0] + len(told) > len(rows):
            return row
        counts[1] += 1
        key = np.uint64(0)
        for place in range(min(size, len(ends.lengths) - 1)):
            key = (key + np.uint64(data[start + place]) + np.uint64(1)) * ends.factor
            if ends.lengths[place + 1] & HEAD:
                ended(data, start, place + 1, key, HEAD, ends, row, counts, rows, hits)
        if size < len(ends.lengths):
            ended(data, start, size, key, WHOLE, ends, row, counts, rows, hits)
        if ends.tails:
            key = np.uint64(0)
            for place in range(min(size, len(ends.lengths) - 1)):
                key = (key + np.uint64(data[end - 1 - place]) + np.uint64(1)) * ends.factor
                if ends.lengths[place + 1] & TAIL:
                    ended(data, end - place - 1, place + 1, key, TAIL, ends, row, counts, rows, hits)
        if grams.short:
            for at in range(start, end):
                literal = grams.singles[data[at]]
                if literal:
                    within(data, start, end, at, literal, grams, told, row, counts, rows, hits)
        for at in range(start, end - GRAM + 1):
            gram = load4(data, at)
            slot = np.int64((gram * grams.factor) >> grams.shift)
            if grams.slots[slot]:
                within(data, start, end, at, grams.slots[slot], grams, told, row, counts, rows, hits)
    return len(starts)


@kernel
def lay_ends(data: Any, bounds: Any, kinds: Any, factor: Any, shift: Any, keys: Any, following: Any, slots: Any,
             lengths: Any) -> None:
    """Put literals, from the first on, under their hashes."""
    for literal in range(1, len(kinds)):
        start, end = bounds[literal], bounds[literal + 1]
        key = np.uint64(0)
        for place in range(end - start):
            byte = data[end - 1 - place] if kinds[literal] == TAIL else data[start + place]
            key = (key + np.uint64(byte) + np.uint64(1)) * factor
        slot = np.int64(key >> shift)
        keys[literal], following[literal], slots[slot] = key, slots[slot], literal
        lengths[end - start] |= kinds[literal]


@kernel
def lay_grams(data: Any, bounds: Any, first: int, factor: Any, shift: Any, served: Any, places: Any, following: Any,
              slots: Any, singles: Any) -> bool:
    """Put literals after `first` under that of their grams that serves the fewest so far; whether any is too short."""
    short = False
    for literal in range(first + 1, len(bounds) - 1):
        start, end = bounds[literal], bounds[literal + 1]
        if end - start < GRAM:
            short = True
            following[literal], singles[data[start]] = singles[data[start]], literal
            continue
        best, place = np.int64(-1), 0
        for at in range(start, end - GRAM + 1):
            slot = np.int64((load4(data, at) * factor) >> shift)
            if best < 0 or served[slot] <= served[best]:
                best, place = slot, at - start
        served[best] += 1
        places[literal], following[literal], slots[best] = place, slots[best], literal
    return short
