"""The loops of a lexicon (lexicon.py): spans of bytes → their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from soc_core.native import inner, kernel
from soc_core.words import alike, fetch, hashed, load8

ABREAST = 16
SOUGHT, AGAIN, FULL = -2, -3, -2  # states of a row; what there is no room for


@inner
def sought(data: Any, starts: Any, ends: Any, kinds: Any, row: int, long: int) -> int:
    """Nothing, ELSEWHERE, AGAIN for what the row before has, or SOUGHT."""
    start, size = starts[row], ends[row] - starts[row]
    if start < 0:
        return 0
    if size > long:
        return -1
    if row > 0 and starts[row - 1] >= 0 and ends[row - 1] - starts[row - 1] == size and (
            len(kinds) == 1 or kinds[row] == kinds[row - 1]) and alike(data, starts[row - 1], data, start, size):
        return AGAIN
    return SOUGHT


@inner
def numbered(data: Any, start: int, end: int, kind: Any, key: Any, slots: Any, hashes: Any, places: Any, marks: Any,
             arena: Any, counts: Any, each: int) -> int:
    """The code of a value, a new one where it has none yet; -1 where there may be no more, FULL where there is no room.
    """
    wrap, size = np.uint64(len(slots) - 1), end - start
    slot = key & wrap
    while True:
        code = slots[slot]
        if code == 0:
            break
        at = places[code]
        if (hashes[code] == key and places[code + 1] - at == size and marks[code] == kind
                and alike(arena, at, data, start, size)):
            return int(code)
        slot = (slot + np.uint64(1)) & wrap
    code, at = counts[0], counts[1]
    if (code + 1) * each + 2 * (at + size) > counts[2]:
        counts[3] = 1
        return -1
    if code + 1 >= len(places) or at + size > len(arena) or 2 * code > len(slots):
        return FULL
    slots[slot] = code
    hashes[code], marks[code], places[code + 1] = key, kind, at + size
    for place in range(size):
        arena[at + place] = data[start + place]
    counts[0], counts[1] = code + 1, at + size
    return int(code)


@kernel
def encode(data: Any, starts: Any, ends: Any, kinds: Any, codes: Any, done: int, long: int, each: int, seed: Any,
           mask: Any, slots: Any, hashes: Any, places: Any, marks: Any, arena: Any, counts: Any, keys: Any) -> int:
    """Fill `codes` from `done` on; how many are filled: all, or up to where there is no room for a new one.

    counts: codes given, bytes of the arena taken, bytes that there may be in all, whether that was too few. Some rows
    at a time take each step, so that memory answers for all of them together; `keys` is room for the hashes of ABREAST.
    """
    wrap = np.uint64(len(slots) - 1)
    for low in range(done, len(starts), ABREAST):
        high = min(low + ABREAST, len(starts))
        for row in range(low, high):
            if row + ABREAST < len(starts):
                fetch(data, starts[row + ABREAST])
            kind = kinds[row] if len(kinds) > 1 else kinds[0]
            codes[row] = first = sought(data, starts, ends, kinds, row, long)
            if first == SOUGHT:
                keys[row - low] = hashed(data, starts[row], ends[row], np.uint64(kind), seed) & mask
                fetch(slots, np.int64(keys[row - low] & wrap))
        for row in range(low, high):
            if codes[row] == SOUGHT:
                code = slots[keys[row - low] & wrap]
                fetch(hashes, code)
                fetch(places, code)
        for row in range(low, high):
            if codes[row] == SOUGHT:
                fetch(arena, places[slots[keys[row - low] & wrap]])
        for row in range(low, high):
            if codes[row] == AGAIN:
                codes[row] = codes[row - 1]
            if codes[row] != SOUGHT:
                continue
            kind = kinds[row] if len(kinds) > 1 else kinds[0]
            code = numbered(data, starts[row], ends[row], kind, keys[row - low], slots, hashes, places, marks, arena,
                            counts, each)
            if code == FULL:
                return row
            codes[row] = code
    return len(starts)


@kernel
def meant(byte: Any) -> Any:
    """What stands after a backslash in a string of JSON; 255 for a number."""
    for sign, read in ((117, 255), (98, 8), (102, 12), (110, 10), (114, 13), (116, 9)):
        if byte == sign:
            return np.uint8(read)
    return np.uint8(byte)


@kernel
def lessened(source: Any, target: Any) -> bool:
    """Copy bytes, capital letters as small ones; whether any is beyond ASCII."""
    every = np.uint8(0)
    for place in range(len(source)):  # a loop that the processor does abreast
        byte = source[place]
        every |= byte
        target[place] = byte | (np.uint8(32) if np.uint8(byte - 65) < 26 else np.uint8(0))
    return bool(every > 127)


@kernel
def plainly(data: Any, start: int, end: int) -> int:
    """How many bytes, by eights, there are before the eight with the next backslash."""
    at = start
    while at + 8 <= end:
        word = load8(data, at) ^ np.uint64(0x5C5C5C5C5C5C5C5C)
        if (word - np.uint64(0x0101010101010101)) & ~word & np.uint64(0x8080808080808080):
            break
        at += 8
    return at - start


@kernel
def lower(data: Any, starts: Any, ends: Any, ways: Any, out: Any, begins: Any, stops: Any) -> None:
    """Spans of bytes with capital letters of ASCII as small ones, one after another in `out`.

    `ways`: PLAIN, ESCAPED, or 255 for what is read otherwise. A beginning of -1 is that, and what is not ASCII.
    """
    taken = 0
    for number in range(len(starts)):
        at, stop, way = starts[number], ends[number], ways[number]
        begin = taken
        odd = way == 255 or at < 0
        if way == 0 and not odd:
            odd = lessened(data[at:stop], out[taken : taken + stop - at])
            taken, at = taken + stop - at, stop
        while at < stop and not odd:
            run = plainly(data, at, stop)
            if run:
                odd = lessened(data[at : at + run], out[taken : taken + run])
                taken, at = taken + run, at + run
                continue
            byte = data[at]
            if byte == 92:
                at += 1
                byte = meant(data[at]) if at < stop else np.uint8(255)
            odd |= byte > 127
            out[taken] = byte + np.uint8(32) if 65 <= byte <= 90 else byte
            taken += 1
            at += 1
        begins[number] = -1 if odd else begin
        stops[number] = -1 if odd else taken
        if odd:
            taken = begin


@kernel
def rehash(slots: Any, hashes: Any, count: int) -> None:
    """Lay all codes out in a new table of slots."""
    wrap = np.uint64(len(slots) - 1)
    for code in range(1, count):
        slot = hashes[code] & wrap
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & wrap
        slots[slot] = code
