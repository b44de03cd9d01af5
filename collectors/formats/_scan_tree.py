"""The loops that take lines of JSON apart: where each value stands, and which record has the same names as which.

Lines are followed by a zero each, from which on 32 bytes may be read. A line that cannot be read for sure (_scan.py; or
a name twice, or more names than there is room for) is doubtful, and nothing of it is kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from collectors.formats._scan import (
    ARRAY,
    BEGIN,
    CLOSE,
    COMMA,
    DEPTH,
    DOUBT,
    ESCAPED,
    OBJECT,
    OPEN,
    PLAIN,
    WHOLE,
    nested,
    scalar,
    space,
    value,
)
from collectors.formats._scan_bits import ABREAST, QUOTE, in_common
from collectors.formats._scan_marks import marked, quoted
from soc_core.native import inner, kernel
from soc_core.words import alike, fetch, hashed

NAME, NAMES = 256, 256  # bytes of a name, names of a record: more of them are doubtful
SOON, CACHED = 1 << 13, 64  # bytes of the next line that are asked for, how many memory gives at once


class Tree(NamedTuple):
    """All sequences of names that there were. A node is one sequence; node 0 the empty one.

    Names have numbers from 1 on; `owner` is the number of the name that a name stands under, 0 at the top. What a
    record has under a name of `split` is part of its sequence: it stands as a name under minus that name's number.
    """

    seed: Any  # a secret of the process, odd
    arena: Any  # bytes of all names
    ends: Any  # by name: where its bytes end; they begin where the last one's end
    owner: Any
    split: Any
    names: Any  # slots: numbers of names by their hash
    above: Any  # by node: the node before it
    last: Any  # by node: its last name
    size: Any  # by node: how many names; 0 where one stands twice
    guess: Any  # by node: the node that came after it last
    told: Any  # by node: where its last name's bytes begin, how many, the name's owner: see `telling`
    nodes: Any  # slots: numbers of nodes by node and name
    count: Any  # names, nodes
    met: Any  # by name: the run in which it was met last
    run: Any  # its number, and the node whose names are those that were met in it


class Found(NamedTuple):
    """Values one after another, and records by line."""

    cells: Any  # where a value begins in its line, its bytes, its kind: see `packed`
    node: Any  # by line; DOUBT where it was not read
    first: Any  # by line: its first value
    has: Any  # by line: a bit for each kind of value in it


@inner
def packed(start: int, end: int, kind: int) -> int:
    """A value's place and kind in one number: 30 bits for the first byte, 30 for how many, 4 for the kind."""
    return start << 34 | (end - start) << 4 | kind


@kernel
def numbered(tree: Tree, data: Any, at: int, size: int, owner: int) -> int:
    """The number of a name under another; DOUBT where there is no room for a new one."""
    wrap = np.uint64(len(tree.names) - 1)
    slot = hashed(data, at, at + size, np.uint64(owner), tree.seed[0]) & wrap
    while True:
        name = tree.names[slot]
        if name == 0:
            break
        start = tree.ends[name - 1]
        if tree.owner[name] == owner and tree.ends[name] - start == size and alike(tree.arena, start, data, at, size):
            return int(name)
        slot = (slot + np.uint64(1)) & wrap
    name = tree.count[0]
    start = tree.ends[name - 1]
    if name == len(tree.ends) or start + size + ABREAST > len(tree.arena):
        return DOUBT
    tree.count[0] = name + 1
    for place in range(size):
        tree.arena[start + place] = data[at + place]
    tree.ends[name], tree.owner[name], tree.names[slot] = start + size, owner, name
    return int(name)


@inner
def telling(size: int, owner: int) -> int:
    """How long a name is and what it stands under, in the low 32 bits of a number."""
    return size << 17 | (owner + (1 << 16))


@inner
def twice(tree: Tree, node: int, known: int, name: int) -> bool:
    """Whether a new node's name stands before it already. New nodes come one after another as a rule: what is before
    the first of them is looked at once."""
    if tree.run[1] != node:
        tree.run[0] += 1
        while node:
            tree.met[tree.last[node]] = tree.run[0]
            node = tree.above[node]
    found = tree.met[name] == tree.run[0]
    tree.met[name], tree.run[1] = tree.run[0], known
    return bool(found)


@kernel
def follow(tree: Tree, node: int, name: int) -> int:
    """The node of a sequence with one more name; DOUBT where there is no room for a new one."""
    if name < 0:
        return DOUBT
    wrap = np.uint64(len(tree.nodes) - 1)
    mixed = (np.uint64(node) << np.uint64(32) | np.uint64(name)) * tree.seed[0]
    slot = (mixed ^ mixed >> np.uint64(32)) & wrap
    while True:
        known = tree.nodes[slot]
        if known == 0:
            break
        if tree.above[known] == node and tree.last[known] == name:
            return int(known)
        slot = (slot + np.uint64(1)) & wrap
    known = tree.count[1]
    if known == len(tree.above):
        return DOUBT
    tree.count[1] = known + 1
    named = 0 if tree.owner[name] < 0 else 1
    first = tree.ends[name - 1]
    tree.told[known] = np.int64(first) << 32 | telling(tree.ends[name] - first, tree.owner[name])
    tree.nodes[slot], tree.above[known], tree.last[known], tree.guess[known] = known, node, name, 0
    tree.size[known] = tree.size[node] + named if node == 0 or tree.size[node] else 0
    if tree.size[known] > NAMES or twice(tree, node, known, name):
        tree.size[known] = 0
    return int(known)


@inner
def step(tree: Tree, data: Any, line: int, start: int, stop: int, marks: Any, node: int, owner: int) -> int:
    """The node after a name, or after a value that is told apart; DOUBT."""
    size = stop - start
    known = tree.guess[node]
    told = tree.told[known]
    if told & 0xFFFFFFFF == telling(size, owner):
        first = told >> 32
        if in_common(tree.arena, first, data, start) | -1 << min(size, ABREAST) == -1 and (
                size <= ABREAST or alike(tree.arena, first, data, start, size)):
            return int(known)
    if size > NAME or marked(marks, start - line, stop - line):
        return DOUBT
    known = follow(tree, node, numbered(tree, data, start, size, owner))
    if known >= 0:
        tree.guess[node] = known
    return int(known)


@inner
def text(line: int, at: int, turn: int, quotes: int, places: Any, marks: Any) -> Any:
    """(first byte, where it ends, kind) of the text that begins here with this of the quotation marks."""
    if turn + 2 > quotes:
        return at, DOUBT, PLAIN
    stop = line + places[turn + 1]
    return at + 1, stop, ESCAPED if marked(marks, at + 1 - line, stop - line) else PLAIN


@inner
def passed(places: Any, turn: int, quotes: int, place: int) -> int:
    """Which of the quotation marks is the first that does not stand before a place."""
    while turn < quotes and places[turn] < place:
        turn += 1
    return turn


@inner
def record(data: Any, at: int, end: int, levels: int, tree: Tree, found: Found, count: int, held: Any, places: Any,
           marks: Any) -> Any:
    """(node, values so far, bits) of the object on a line; `held` is room for three numbers a level."""
    zero: Any = np.int64(0)  # no literal: what is called with it would be compiled for that as well
    line, node, owner, depth, bits, turn = at, zero, zero, 0, 0, 0
    quotes = quoted(data, at, end, places, marks)
    at = space(data, at, end)
    if quotes < 0 or data[at] != OPEN:
        return DOUBT, count, 0
    at = space(data, at + 1, end)
    while True:
        if data[at] != QUOTE or turn + 2 > quotes:
            return DOUBT, count, 0
        stop = line + places[turn + 1]
        node, turn = step(tree, data, line, at + 1, stop, marks, node, owner), turn + 2
        at = value(data, stop, end)
        if node < 0 or tree.size[node] == 0 or at < 0:
            return DOUBT, count, 0
        name, start, sign = tree.last[node], at, data[at]
        if sign == QUOTE:
            start, stop, kind = text(line, at, turn, quotes, places, marks)
            turn, at = turn + 2, stop + 1
        elif sign in (OPEN, BEGIN):
            kind = OBJECT if sign == OPEN else ARRAY
            if sign == OPEN and depth < levels:
                inner = space(data, at + 1, end)
                if data[inner] != CLOSE:
                    found.cells[count] = packed(start - line, start - line, kind)
                    held[2 * depth], held[2 * depth + 1] = owner, count
                    depth, count, owner, bits, at = depth + 1, count + 1, name, bits | 1 << kind, inner
                    continue
            at = stop = nested(data, at, end, held[2 * DEPTH :])
            turn = passed(places, turn, quotes, at - line)
        else:
            at, kind = scalar(data, at)
            stop = at
        if stop < 0:
            return DOUBT, count, 0
        found.cells[count] = packed(start - line, stop - line, kind)
        count, bits = count + 1, bits | 1 << kind
        if tree.split[name]:
            good = kind == PLAIN or (kind == WHOLE and tree.split[name] != 1)
            node = step(tree, data, line, start, stop, marks, node, -name) if good else DOUBT
        while True:
            at = space(data, at, end)
            if data[at] == COMMA and node >= 0:
                at = space(data, at + 1, end)
                break
            if data[at] != CLOSE or node < 0:
                return DOUBT, count, 0
            at += 1
            if depth == 0:
                return (node if space(data, at, end) == end else DOUBT), count, bits
            depth -= 1
            owner, whole = held[2 * depth], held[2 * depth + 1]
            found.cells[whole] = packed(found.cells[whole] >> 34, at - line, OBJECT)


@kernel
def scan(data: Any, starts: Any, ends: Any, line: int, count: int, levels: int, tree: Tree, found: Found,
         held: Any, places: Any, marks: Any) -> Any:
    """(lines read, values found): from `line` on, until there is no room for the values of another.

    `held`, `places`, `marks`: room for what is known of one line.
    """
    while line < len(starts):
        if count + NAMES > len(found.cells):
            break
        if line + 1 < len(starts):
            for place in range(starts[line + 1], min(ends[line + 1], starts[line + 1] + SOON), CACHED):
                fetch(data, place)
        node, more, bits = record(data, starts[line], ends[line], levels, tree, found, count, held, places,
                                  marks)
        found.node[line], found.first[line], found.has[line] = node, count, bits
        if node >= 0:
            count = more
        line += 1
    return line, count


@kernel
def sequence(tree: Tree, node: int, out: Any) -> int:
    """The names of a node from the last to the first, values among them; how many."""
    count = 0
    while node:
        out[count] = tree.last[node]
        node = tree.above[node]
        count += 1
    return count
