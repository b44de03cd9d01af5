"""The loops of the Sigma engine over codes: outcomes of a field, tuples of numbers, bytes that a keyword must have."""

from __future__ import annotations

from typing import Any

import numpy as np

from soc_core.native import kernel
from soc_core.words import fetch, folded, load8

ELSEWHERE, FRESH = 1, 2  # what `look` met
SHIFT, SILENT = 32, 1  # as in ledger.py
PAIR, BEYOND, HIDDEN = 1, 2, 4  # what `meet` met
BLOCK = 256  # bytes that `confirm` looks at together
FETCHED = 4096  # bytes of a line that are asked for before its turn comes
ASCII = 0x8080808080808080  # no bit of these, in eight bytes


@kernel
def look(table: Any, codes: Any, out: Any, fresh: Any) -> int:
    """Set numbers by code. `table`: by code, one more than the set number, 0 where it is not known yet.

    Gives ELSEWHERE where there is a value without a code, and FRESH for each of those not known, which `fresh` lists.
    """
    met, many = 0, 0
    for row in range(len(codes)):
        code = codes[row]
        if code < 0:
            met |= ELSEWHERE
            out[row] = 0
            continue
        known = table[code]
        if known == 0:
            fresh[many], table[code] = code, -1  # each once
            many += 1
        out[row] = known - 1
    for number in range(many):
        table[fresh[number]] = 0
    return met + many * FRESH


@kernel
def sign(ids: Any, offsets: Any, looked: Any, table: Any, begins: Any, done: int, height: int, always: bool, seed: Any,
         slots: Any, hashes: Any, bounds: Any, pairs: Any, states: Any, counts: Any, held: Any, rows: Any, codes: Any
         ) -> int:
    """Rows from `done` on that a rule may fire on and whose signature is not silent, and its number; up to where there
    is room.

    A field's set numbers stand in `ids` from its offset on, below 0: -1 less the number of all rows. `table`: for each
    place, from begins[place] on, by the set number twice that of the plan, and one more where it stirs a rule.
    """
    wrap = np.uint64(len(slots) - 1)
    for row in range(done, height):
        size, live, key = 0, always, seed
        for number in range(len(looked)):
            place, offset = np.int64(looked[number]), offsets[number]
            known = np.int64(table[begins[place] + (ids[offset + row] if offset >= 0 else -1 - offset)])
            if known:
                live |= known & 1 != 0
                pair = place << SHIFT | known >> 1
                held[size] = pair
                key = folded(key ^ np.uint64(pair), seed)
                size += 1
        if not live:
            continue
        slot = key & wrap
        while True:
            code = slots[slot]
            if code == 0:
                break
            first = bounds[code]
            if hashes[code] == key and bounds[code + 1] - first == size:
                same = True
                for number in range(size):
                    same &= pairs[first + number] == held[number]
                if same:
                    break
            slot = (slot + np.uint64(1)) & wrap
        if code == 0:
            code = counts[0]
            first = bounds[code]
            if code + 1 >= len(hashes) or 2 * code > len(slots) or first + size > len(pairs):
                return row
            slots[slot], hashes[code], bounds[code + 1], counts[0] = code, key, first + size, code + 1
            for number in range(size):
                pairs[first + number] = held[number]
        if states[code] != SILENT:
            rows[counts[1]], codes[counts[1]] = row, code
            counts[1] += 1
    return height


@kernel
def tuples(columns: Any, rows: Any, done: int, seed: Any, slots: Any, hashes: Any, held: Any, counts: Any,
           codes: Any) -> int:
    """Codes of the tuples that these rows of the columns make, from `done` on; how many are made: all, or until there
    is no room. Nothing but zeros is 0; a number below 0 in it makes it -1. counts: tuples held."""
    width = len(columns)
    wrap = np.uint64(len(slots) - 1)
    for place in range(done, len(rows)):
        row = rows[place]
        key, least, most = seed, 0, 0
        for column in range(width):
            number = columns[column, row]
            least, most = min(least, number), max(most, number)
            key = folded(key ^ np.uint64(number), seed + np.uint64(column))
        if least < 0 or most == 0:
            codes[place] = -1 if least < 0 else 0
            continue
        slot = key & wrap
        while True:
            code = slots[slot]
            if code == 0:
                break
            if hashes[code] == key:
                same = True
                for column in range(width):
                    same &= held[code, column] == columns[column, row]
                if same:
                    break
            slot = (slot + np.uint64(1)) & wrap
        if code == 0:
            code = counts[0]
            if code >= len(held) or 2 * code > len(slots):
                return place
            slots[slot], hashes[code] = code, key
            for column in range(width):
                held[code, column] = columns[column, row]
            counts[0] = code + 1
        codes[place] = code
    return len(rows)


@kernel
def rehash(slots: Any, hashes: Any, count: int) -> None:
    """Lay all tuples out in a new table of slots."""
    wrap = np.uint64(len(slots) - 1)
    for code in range(1, count):
        slot = hashes[code] & wrap
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & wrap
        slots[slot] = code


@kernel
def near(data: Any, start: int, end: int, pairs: Any) -> bool:
    """Whether there is one of the pairs of bytes from start to end. A pair: mask and byte, mask and byte."""
    left, right = data[start : end - 1], data[start + 1 : end]
    for pair in range(len(pairs)):
        first, one, second, other = pairs[pair, 0], pairs[pair, 1], pairs[pair, 2], pairs[pair, 3]
        least = np.uint8(255)
        for at in range(len(left)):  # the least of all differences: a loop that the processor does abreast
            least = min(least, np.uint8(((left[at] | first) ^ one) | ((right[at] | second) ^ other)))
        if least == 0:
            return True
    return False


@kernel
def meet(data: Any, starts: Any, ends: Any, pairs: Any, insides: Any, tails: Any, hiding: Any, met: Any) -> None:
    """Which spans hold one of the pairs of bytes, letters without case (PAIR), or a byte beyond ASCII (BEYOND).

    And where there is one of `hiding` from `insides` to `tails`, while it is at hand (HIDDEN).
    """
    for row in range(len(starts)):
        if row + 1 < len(starts):  # the lines lie all over the memory
            for at in range(starts[row + 1], min(ends[row + 1], starts[row + 1] + FETCHED), 64):
                fetch(data, at)
        if starts[row] < 0 or ends[row] == starts[row]:
            continue
        whole = data[starts[row] : ends[row]]
        every = np.uint8(0)
        for at in range(len(whole)):
            every |= whole[at]
        if every > 127:
            met[row] |= BEYOND
        if near(data, starts[row], ends[row], pairs):
            met[row] |= PAIR
        if insides[row] >= 0 and tails[row] > insides[row] and near(data, insides[row], tails[row], hiding):
            met[row] |= HIDDEN


@kernel
def lowered(byte: Any) -> Any:
    """A capital letter as a small one."""
    wide = np.int64(byte)
    return wide + 32 if 65 <= wide <= 90 else wide


@kernel
def stands(data: Any, begin: int, end: int, literals: Any, low: int, high: int) -> bool:
    """Whether a literal stands here, letters without case."""
    if begin + high - low > end:
        return False
    same = True
    for place in range(high - low):
        same &= lowered(data[begin + place]) == literals[low + place]
    return same


@kernel
def confirm(data: Any, starts: Any, ends: Any, rows: Any, pairs: Any, first: Any, following: Any, places: Any,
            literals: Any, held: Any) -> None:
    """Which of these rows hold a literal, letters without case.

    `first`: by pair of bytes one more than the first literal that is found by it, 0 for none; `following`: by literal
    the next one likewise. A literal: where its pair stands in it, and where it begins and ends in `literals`.
    """
    for number in range(len(rows)):
        start, end = starts[rows[number]], ends[rows[number]]
        for low in range(start, end, BLOCK):
            high = min(low + BLOCK + 1, end)
            if not near(data, low, high, pairs):
                continue
            before = lowered(data[low])
            for at in range(low + 1, high):
                byte = lowered(data[at])
                literal = first[before << 8 | byte] - 1
                while literal >= 0:
                    begin = at - 1 - places[literal, 0]
                    if begin >= start and stands(data, begin, end, literals, places[literal, 1], places[literal, 2]):
                        held[number] = 1
                    literal = following[literal] - 1
                before = byte
            if held[number]:
                break


@kernel
def hides(data: Any, starts: Any, ends: Any, rows: Any, held: Any) -> None:
    """Which of these rows, strings of JSON, have a character written as \\u or \\/."""
    for number in range(len(rows)):
        at, end = starts[rows[number]], ends[rows[number]] - 1
        while at < end:
            if data[at] == 92:
                if data[at + 1] == 117 or data[at + 1] == 47:
                    held[number] = 1
                    break
                at += 1
            at += 1


@kernel
def sequence(data: Any, at: int, end: int) -> int:
    """The size of the character beyond ASCII that begins here, as UTF-8 has it; 0: none does.

    https://www.unicode.org/versions/Unicode16.0.0/core-spec/chapter-3/#G27506
    """
    first = np.int64(data[at])
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first < 0xC2 or first > 0xF4 or at + size > end:
        return 0
    second = np.int64(data[at + 1])
    if (first == 0xE0 and second < 0xA0) or (first == 0xED and second > 0x9F):
        return 0
    if (first == 0xF0 and second < 0x90) or (first == 0xF4 and second > 0x8F):
        return 0
    for place in range(1, size):
        if data[at + place] & 0xC0 != 0x80:
            return 0
    return size


@kernel
def broken(data: Any, starts: Any, ends: Any, rows: Any, held: Any) -> None:
    """Which of these rows are no UTF-8."""
    for number in range(len(rows)):
        at, end = starts[rows[number]], ends[rows[number]]
        while at < end:
            if at + 8 <= end and load8(data, at) & np.uint64(ASCII) == 0:
                at += 8
            elif data[at] < 128:
                at += 1
            else:
                size = sequence(data, at, end)
                if size == 0:
                    held[number] = 1
                    break
                at += size


@kernel
def count_pairs(data: Any, starts: Any, ends: Any, counts: Any) -> int:
    """Add up how often each pair of bytes stands in the spans, capital letters as small ones; bytes looked at."""
    total = 0
    for row in range(len(starts)):
        if starts[row] < 0:
            continue
        before = np.int64(0)
        for at in range(starts[row], ends[row]):
            byte = lowered(data[at])
            counts[before << 8 | byte] += 1
            before = byte
        total += ends[row] - starts[row]
    return total
