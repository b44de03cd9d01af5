"""The loop of literals.py: which of many literals stand in texts, and the sets of them that were met."""

from __future__ import annotations

from typing import Any

import numpy as np

from soc_core.native import inner, kernel
from soc_core.words import alike, folded, load4, load8

GRAM = 4  # bytes by which a literal anywhere in a text is found
WHOLE, HEAD, TAIL = 0, 1, 2


@kernel
def ended(data: Any, start: int, size: int, key: Any, kind: int, ends: Any, met: Any, counts: Any) -> None:
    """Tell the literals of this kind that are these bytes, whose hash is the key."""
    literal = ends.slots[np.int64(key >> ends.shift)]
    while literal:
        if (ends.keys[literal] == key and ends.kinds[literal] == kind
                and ends.bounds[literal + 1] - ends.bounds[literal] == size
                and alike(data, start, ends.data, ends.bounds[literal], size)):
            met[counts[0]] = literal
            counts[0] += 1
        literal = ends.following[literal]


@kernel
def within(data: Any, start: int, end: int, at: int, literal: int, grams: Any, told: Any, seen: Any, counts: Any
           ) -> None:
    """Tell the literals of this chain that stand around here, each once for a text, and where they are told."""
    mark = counts[1]
    while literal:
        begin = at - grams.places[literal]
        size = grams.bounds[literal + 1] - grams.bounds[literal]
        if (told[literal] != mark and begin >= start and begin + size <= end
                and alike(data, begin, grams.data, grams.bounds[literal], size)):
            told[literal] = mark
            seen[0, counts[2]], seen[1, counts[2]] = literal, at - start
            counts[2] += 1
        literal = grams.following[literal]


@inner
def known(data: Any, before: int, start: int, size: int, grams: Any, told: Any, seen: Any, counts: Any) -> Any:
    """How far a text need not be looked at, as it begins like the one before, of which `seen` tells: that of what
    stands there is kept."""
    at = 0
    while at + 8 <= size and load8(data, before + at) == load8(data, start + at):
        at += 8
    at = max(at - grams.longest - GRAM, 0)
    many = 0
    while many < counts[2] and seen[1, many] < at:
        told[seen[0, many]] = counts[1]
        many += 1
    counts[2] = many
    return at


@kernel
def sought(data: Any, start: int, end: int, held: Any, begin: int, size: int) -> int:
    """Where a piece stands first from start to end; -1 where it does not."""
    for at in range(start, end - size + 1):
        if alike(data, at, held, begin, size):
            return at
    return -1


@kernel
def shaped(data: Any, start: int, end: int, shape: int, shapes: Any) -> bool:
    """Whether a text has a shape, as patterns.Shape says it of those without an expression."""
    first, last = shapes.firsts[shape], shapes.firsts[shape + 1]
    ends = shapes.ends[shape]
    if ends & HEAD:
        size = shapes.bounds[first + 1] - shapes.bounds[first]
        if end - start < size or not alike(data, start, shapes.data, shapes.bounds[first], size):
            return False
        start, first = start + size, first + 1
    if ends & TAIL:
        if last == first:
            return bool(start == end)
        size = shapes.bounds[last] - shapes.bounds[last - 1]
        if end - start < size or not alike(data, end - size, shapes.data, shapes.bounds[last - 1], size):
            return False
        end, last = end - size, last - 1
    for piece in range(first, last):
        size = shapes.bounds[piece + 1] - shapes.bounds[piece]
        at = sought(data, start, end, shapes.data, shapes.bounds[piece], size)
        if at < 0:
            return False
        start = at + size
    return True


@kernel
def numbered(met: Any, size: int, sets: Any) -> Any:
    """The number of a set, as the order goes; -1 where there is no room for a new one."""
    wrap = np.uint64(len(sets.slots) - 1)
    seed = sets.seed[0]
    key = seed
    for place in range(size):
        key = folded(key ^ np.uint64(met[place]), seed)
    slot = key & wrap
    while True:
        code = np.int64(sets.slots[slot])
        first = sets.bounds[code]
        if code == 0:
            break
        if sets.hashes[code] == key and sets.bounds[code + 1] - first == size:
            same = True
            for place in range(size):
                same &= sets.items[first + place] == met[place]
            if same:
                return code
        slot = (slot + np.uint64(1)) & wrap
    code = sets.counts[0]
    first = sets.bounds[code]
    if code + 1 >= len(sets.hashes) or 2 * code > len(sets.slots) or first + size > len(sets.items):
        return -1
    sets.slots[slot], sets.hashes[code], sets.bounds[code + 1], sets.counts[0] = code, key, first + size, code + 1
    for place in range(size):
        sets.items[first + place] = met[place]
    return code


@inner
def marked(bits: Any, place: Any) -> bool:
    """Whether a bit is set."""
    return bool(np.uint64(bits[place >> np.uint64(3)]) >> (place & np.uint64(7)) & np.uint64(1))


@kernel
def find(data: Any, starts: Any, stops: Any, ends: Any, grams: Any, shapes: Any, told: Any, seen: Any, met: Any,
         counts: Any, sets: Any, done: int, out: Any) -> int:
    """Of each text from `done` on the number of the set of literals and shapes that hold of it; up to where there is
    room for new sets; 0 where a start is below 0. A shape's number comes after all literals'. counts: how many, of how
    many texts `told` speaks, and how many of the literals that stand anywhere `seen` has."""
    for row in range(done, len(starts)):
        start, end = starts[row], stops[row]
        if start < 0:
            out[row] = 0
            continue
        size = end - start
        counts[0] = 0
        counts[1] += 1
        key = np.uint64(0)
        for place in range(min(size, len(ends.lengths) - 1)):
            key = (key + np.uint64(data[start + place]) + np.uint64(1)) * ends.factor
            if ends.lengths[place + 1] & HEAD:
                ended(data, start, place + 1, key, HEAD, ends, met, counts)
        if size < len(ends.lengths):
            ended(data, start, size, key, WHOLE, ends, met, counts)
        if ends.tails:
            key = np.uint64(0)
            for place in range(min(size, len(ends.lengths) - 1)):
                key = (key + np.uint64(data[end - 1 - place]) + np.uint64(1)) * ends.factor
                if ends.lengths[place + 1] & TAIL:
                    ended(data, end - place - 1, place + 1, key, TAIL, ends, met, counts)
        last, first = max(end - GRAM + 1, start), start
        if row > done and starts[row - 1] >= 0:
            before = starts[row - 1]
            first += known(data, before, start, min(size, stops[row - 1] - before), grams, told, seen, counts)
        else:
            counts[2] = 0
        for at in range(first, last):
            gram = load4(data, at)
            key = gram * grams.factor
            bit, pair = key >> grams.fine, gram & np.uint64(0xFFFF)
            if marked(grams.sieve, bit):
                within(data, start, end, at, grams.slots[key >> grams.shift], grams, told, seen, counts)
            if grams.short and marked(grams.pairs, pair):
                within(data, start, end, at, grams.singles[pair & np.uint64(0xFF)], grams, told, seen, counts)
        for at in range(last, end):
            within(data, start, end, at, grams.singles[data[at]], grams, told, seen, counts)
        for number in range(counts[2]):
            met[counts[0]] = seen[0, number]
            counts[0] += 1
        for number in range(counts[0]):
            for shape in range(shapes.begins[met[number]], shapes.begins[met[number] + 1]):
                if shaped(data, start, end, shape, shapes):
                    met[counts[0]] = len(told) + shape
                    counts[0] += 1
        code = numbered(met, counts[0], sets)
        if code < 0:
            return row
        out[row] = code
    return len(starts)


@kernel
def rehash(sets: Any) -> None:
    """Lay all sets out in a new table of slots."""
    wrap = np.uint64(len(sets.slots) - 1)
    for code in range(1, sets.counts[0]):
        slot = sets.hashes[code] & wrap
        while sets.slots[slot] != 0:
            slot = (slot + np.uint64(1)) & wrap
        sets.slots[slot] = code


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
def lay_grams(data: Any, first: int, grams: Any, served: Any) -> bool:
    """Put literals after `first` under that of their grams that serves the fewest so far; whether any is too short."""
    short = False
    for literal in range(first + 1, len(grams.bounds) - 1):
        start, end = grams.bounds[literal], grams.bounds[literal + 1]
        if end - start < GRAM:
            short = True
            grams.following[literal], grams.singles[data[start]] = grams.singles[data[start]], literal
            for second in range(256):
                if end - start == 1 or data[start + 1] == second:
                    pair = np.int64(data[start]) | second << 8
                    grams.pairs[pair >> 3] |= np.uint8(1 << (pair & 7))
            continue
        best, place = np.int64(-1), 0
        for at in range(start, end - GRAM + 1):
            slot = np.int64((load4(data, at) * grams.factor) >> grams.shift)
            if best < 0 or served[slot] <= served[best]:
                best, place = slot, at - start
        served[best] += 1
        grams.places[literal], grams.following[literal], grams.slots[best] = place, grams.slots[best], literal
        bit = np.int64((load4(data, start + place) * grams.factor) >> grams.fine)
        grams.sieve[bit >> 3] |= np.uint8(1 << (bit & 7))
    return short
