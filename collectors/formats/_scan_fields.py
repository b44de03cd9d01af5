"""The loops that take the values of one name out of lines that were scanned (_scan_tree.py), many lines at a time.

A table says for each sequence of names where in it a column's name stands (NOWHERE where it does not). Spans are the
first and last byte of values in memory; a span that begins below 0 is no value.
"""

from __future__ import annotations

from typing import Any

from numba import types

from collectors.formats._scan import ARRAY, DOT, ESCAPED, FALSE, FLOAT, NULL, OBJECT, OPEN, PLAIN, WHOLE
from collectors.formats._scan_bits import ABREAST, BACKSLASH, QUOTE, low, stops
from collectors.formats._scan_tree import Found, Tree
from soc_core.native import inner, kernel
from soc_core.words import AHEAD, fetch, load8

NOWHERE = -1
ANY, OBJECTS, LISTS, HOLDER = 1, 2, 3, 4
UTC, LOCAL, ODD = range(3)  # what a stamp's zone is; ODD where it is not written plainly


@kernel
def mark(tree: Tree, nodes: Any, marks: Any) -> None:
    """Mark every name of these sequences."""
    for node in nodes:
        while node:
            marks[tree.last[node]] = 1
            node = tree.above[node]


@kernel
def told(tree: Tree, nodes: Any, marks: Any, out: Any) -> None:
    """For each sequence the sum of the marks above 0 of its names at the top, then what it has under names of `split`.

    The value under a name marked -n stands at n, as the number of a name; 0: there is none.
    """
    for number, node in enumerate(nodes):
        for place in range(out.shape[1]):
            out[number, place] = 0
        while node > 0:
            name = tree.last[node]
            owner = tree.owner[name]
            if owner < 0:
                out[number, -marks[-owner]] = name
            elif owner == 0 and marks[name] > 0:
                out[number, 0] += marks[name]
            node = tree.above[node]


@kernel
def regular(tree: Tree, found: Found, styles: Any, marks: Any, out: Any) -> None:
    """Mark the lines of a style that have objects and lists only where `marks` of (style, name) says.

    ANY: whatever; OBJECTS, LISTS: these of the two; HOLDER: an object or nothing; 0: none of the two.
    """
    for line, node in enumerate(found.node):
        style = styles[line]
        out[line] = 0 if style < 0 else 1
        if style < 0 or not found.has[line] & (1 << OBJECT | 1 << ARRAY):
            continue
        before = found.first[line] - 1
        while node:
            name = tree.last[node]
            if tree.owner[name] >= 0:
                kind, may = found.cells[before + tree.size[node]] & 15, marks[style, name]
                if kind == OBJECT:
                    good = may not in (0, LISTS)
                elif kind == ARRAY:
                    good = may in (ANY, LISTS)
                else:
                    good = may != HOLDER or kind == NULL
                if not good:
                    out[line] = 0
            node = tree.above[node]


@kernel
def lay(tree: Tree, nodes: Any, columns: Any, table: Any) -> None:
    """Fill the table; `columns` has a name's column, or NOWHERE."""
    for number, node in enumerate(nodes):
        while node:
            column = columns[tree.last[node]]
            if column >= 0:
                table[number, column] = tree.size[node] - 1
            node = tree.above[node]


@kernel
def present(found: Found, lines: Any, shapes: Any, groups: Any, table: Any, done: Any, out: Any) -> None:
    """Mark (group, column) wherever there is a value; `groups` has the group of each shape, `done` room for as many."""
    for row, line in enumerate(lines):
        shape = shapes[row]
        if done[shape]:
            continue
        nulls = found.has[line] & (1 << NULL)
        done[shape] = 0 if nulls else 1
        first = found.first[line]
        for column in range(table.shape[1]):
            place = table[shape, column]
            if place >= 0 and (not nulls or found.cells[first + place] & 15 != NULL):
                out[groups[shape], column] = 1


@kernel
def spans(found: Found, origins: Any, lines: Any, shapes: Any, table: Any, columns: Any, starts: Any, ends: Any,
          kinds: Any) -> None:
    """Of each line the first of these columns that has a value."""
    for row, line in enumerate(lines):
        if row + AHEAD < len(lines):
            fetch(found.cells, found.first[lines[row + AHEAD]] + table[shapes[row + AHEAD], columns[0]])
        shape = shapes[row]
        starts[row] = ends[row] = -1
        kinds[row] = NULL
        for column in columns:
            place = table[shape, column]
            if place < 0:
                continue
            cell = found.cells[found.first[line] + place]
            if cell & 15 != NULL:
                starts[row], kinds[row] = origins[line] + (cell >> 34), cell & 15
                ends[row] = starts[row] + (cell >> 4 & (1 << 30) - 1)
                break


@inner
def digits(data: Any, at: int) -> int:
    """Four hexadecimal digits as a number."""
    total = 0
    for place in range(at, at + 4):
        sign = types.int64(data[place])
        total = total << 4 | (sign - 48 if sign < 58 else (sign | 32) - 87)
    return total


@inner
def lettered(out: Any, at: int, letter: int) -> int:
    """A character below 2^16 as UTF-8; where it ends."""
    if letter < 0x80:
        out[at] = letter
        return at + 1
    if letter < 0x800:
        out[at], out[at + 1] = 0xC0 | letter >> 6, 0x80 | letter & 63
        return at + 2
    out[at], out[at + 1], out[at + 2] = 0xE0 | letter >> 12, 0x80 | letter >> 6 & 63, 0x80 | letter & 63
    return at + 3


@inner
def run(data: Any, start: int, end: int, out: Any, at: int) -> None:
    """Write the bytes from start to end, and up to seven behind them."""
    while start < end:
        word = load8(data, start)
        for place in range(8):
            out[at + place] = word >> types.uint64(8 * place) & types.uint64(255)
        start, at = start + 8, at + 8


@kernel
def unescaped(data: Any, start: int, end: int, out: Any, at: int) -> int:
    """Write the text that stands with escapes from start to end; where it ends."""
    while start < end:
        bits = stops(data, start)
        plain = min(ABREAST if bits == 0 else low(bits), end - start)
        run(data, start, start + plain, out, at)
        start, at = start + plain, at + plain
        if start == end or bits == 0:
            continue
        sign = data[start]
        if sign != BACKSLASH:
            out[at] = sign
            start, at = start + 1, at + 1
            continue
        sign = data[start + 1]
        if sign == 117:  # u
            start, at = start + 6, lettered(out, at, digits(data, start + 2))
            continue
        if sign == 110:
            sign = 10
        elif sign == 116:
            sign = 9
        elif sign == 114:
            sign = 13
        elif sign == 98:
            sign = 8
        elif sign == 102:
            sign = 12
        out[at] = sign
        start, at = start + 2, at + 1
    return at


@kernel
def copy(data: Any, starts: Any, ends: Any, kinds: Any, out: Any, bounds: Any) -> bool:
    """Values as texts side by side, and where each begins and the last ends; whether there are none of other kinds.

    Those are left empty. There must be room for eight bytes more than the values have.
    """
    at, all_written = 0, True
    for row in range(len(starts)):
        if row + AHEAD < len(starts):
            fetch(data, starts[row + AHEAD])
        start, end, kind = starts[row], ends[row], kinds[row]
        bounds[row] = at
        if kind == ESCAPED:
            at = unescaped(data, start, end, out, at)
        elif kind > FALSE:
            all_written = False
        elif start >= 0:
            run(data, start, end, out, at)
            at += end - start
    bounds[len(starts)] = at
    return all_written


@inner
def rendered(data: Any, start: int, end: int) -> bool:
    """Whether a list stands as it would be written again: no blanks, escapes, fractions, nor objects."""
    inside = False
    for place in range(start, end):
        sign = data[place]
        if sign == QUOTE:
            inside = not inside
        elif sign == BACKSLASH or (not inside and (sign <= 32 or sign in (DOT, OPEN))):
            return False
    return True


@kernel
def compose(data: Any, found: Found, origins: Any, lines: Any, shapes: Any, table: Any, begins: Any, columns: Any,
            heads: Any, cuts: Any, out: Any, bounds: Any, odd: Any, write: bool) -> None:
    """Texts of some values of each line side by side, as JSON writes them; where each begins and the last ends.

    A shape's values are those of columns[begins[shape] : begins[shape + 1]], each behind its head, which lie between
    `cuts`; the last of those stands behind them all. `odd` are lines with values that are not plain: those stay empty.
    Without `write` it is only measured; there must be room for eight bytes more.
    """
    at = 0
    last = len(cuts) - 2
    for row, line in enumerate(lines):
        if row + AHEAD < len(lines):
            fetch(data, origins[lines[row + AHEAD]])
        shape = shapes[row]
        first, stop = begins[shape], begins[shape + 1]
        if not write:
            bounds[row], odd[row] = at, 0
        elif odd[row]:
            continue
        for number in range(first, stop):
            cell = found.cells[found.first[line] + table[shape, columns[number]]]
            kind, size = cell & 15, cell >> 4 & (1 << 30) - 1
            start = origins[line] + (cell >> 34)
            if kind in (ESCAPED, FLOAT, OBJECT) or (
                    kind == ARRAY and not write and not rendered(data, start, start + size)):
                odd[row], at = 1, bounds[row]
                break
            head = cuts[number + 1] - cuts[number]
            quote = 1 if kind == PLAIN else 0
            if write:
                run(heads, cuts[number], cuts[number + 1], out, at)
                run(data, start, start + size, out, at + head + quote)
                if quote:
                    out[at + head] = out[at + head + 1 + size] = QUOTE
            at += head + size + 2 * quote
        if first < stop and not odd[row]:
            if write:
                run(heads, cuts[last], cuts[last + 1], out, at)
            at += cuts[last + 1] - cuts[last]
    bounds[len(lines)] = at


@kernel
def wholes(data: Any, starts: Any, ends: Any, kinds: Any, out: Any) -> bool:
    """Whether all values are whole numbers of less than 19 digits, and those numbers."""
    for row in range(len(starts)):
        if row + AHEAD < len(starts):
            fetch(data, starts[row + AHEAD])
        start, end = starts[row], ends[row]
        out[row] = 0
        if start < 0:
            continue
        if kinds[row] != WHOLE or end - start > 18:
            return False
        below = data[start] == 45
        total = 0
        for at in range(start + below, end):
            total = total * 10 + (data[at] - 48)
        out[row] = -total if below else total
    return True


@inner
def number(data: Any, at: int, digits: int) -> int:
    """So many digits as a number; below 0 where one is none."""
    total = 0
    for place in range(at, at + digits):
        digit = types.int64(data[place]) - 48
        if digit < 0 or digit > 9:
            return -1
        total = total * 10 + digit
    return total


@kernel
def moment(data: Any, at: int, end: int) -> Any:
    """(microseconds since 1970 as written, UTC or LOCAL or ODD) of `2026-11-23T01:00:00.123Z`."""
    size = end - at
    dash, apart = data[at + 4], data[at + 10]
    if (size < 19 or (dash != 45 and dash != 47) or (data[at + 7] != 45 and data[at + 7] != 47)
            or (apart != 84 and apart != 32) or data[at + 13] != 58 or data[at + 16] != 58):
        return 0, ODD
    year, month, day = number(data, at, 4), number(data, at + 5, 2), number(data, at + 8, 2)
    hour, minute, second = number(data, at + 11, 2), number(data, at + 14, 2), number(data, at + 17, 2)
    if (year < 1 or month < 1 or month > 12 or day < 1 or hour < 0 or hour > 23 or minute < 0 or minute > 59
            or second < 0 or second > 59):
        return 0, ODD
    last = 31 if month in (1, 3, 5, 7, 8, 10, 12) else 30
    if month == 2:
        last = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    if day > last:
        return 0, ODD
    part, place = 0, at + 19
    if place < end and data[place] == 46:
        scale = 100_000
        place += 1
        while place < end and 48 <= data[place] <= 57 and place < at + 32:
            part += (types.int64(data[place]) - 48) * scale
            scale //= 10
            place += 1
        if place == at + 20:
            return 0, ODD
    zone = LOCAL
    if place < end and data[place] == 90:
        zone, place = UTC, place + 1
    if place != end:
        return 0, ODD
    shifted = year - (1 if month < 3 else 0)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return (days * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000 + part, zone


@kernel
def moments(data: Any, starts: Any, ends: Any, out: Any, zones: Any) -> None:
    """`moment` of each value; what is none is ODD."""
    for row in range(len(starts)):
        if row + AHEAD < len(starts):
            fetch(data, starts[row + AHEAD])
        out[row], zones[row] = 0, ODD
        if starts[row] >= 0:
            out[row], zones[row] = moment(data, starts[row], ends[row])
