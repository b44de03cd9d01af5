"""One plan for each combination of log-source tags: its rules, the fields they read, and what was decided before.

An event's signature is, for each field, which of the plan's tests are true of its value. Rules are judged once for
each signature. Every table here is bounded: `Memory.full` says when the engine forgets and starts anew.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detections.sigma import columns, multi
from detections.sigma.columns import Rows
from detections.sigma.compile import Compiled, Key, Program, Truth, holds
from detections.sigma.fold import fold
from detections.sigma.terms import Part

EMPTY: Truth = frozenset()
Ids = npt.NDArray[np.int32]
ASCII = re.compile(r"[\x00-\x7f]+")
LARGE = 4096  # rows from which on a part is read by distinct values
ENTRY = 150  # bytes that an entry of a table costs beside its key


class Memory:
    """Bytes held by all caches together, estimated, and the bound."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    @property
    def full(self) -> bool:
        return self.used > self.limit


class Field:
    """One key's judge with its cache: value → number of the set of tests that are true of it."""

    def __init__(self, key: Key, program: Program, memory: Memory) -> None:
        self.key, self.memory = key, memory
        self.columns = key.columns
        self.judge: Any = program.judge(key)
        self.forget()

    def forget(self) -> None:
        """Start with nothing known."""
        self.numbers: dict[Truth, int] = {EMPTY: 0}
        self.sets: list[Truth] = [EMPTY]
        self.known = _Table(self)

    def number(self, true: Truth) -> int:
        known = self.numbers.get(true)
        if known is None:
            known = self.numbers[true] = len(self.sets)
            self.sets.append(true)
            self.memory.used += ENTRY + 32 * len(true)
        return known

    def blank(self) -> int:
        """Set number of a row that has none of the columns."""
        return self.known[None] if self.key.other is None else 0

    def ids(self, rows: Rows, height: int) -> Ids | int:
        """Set numbers of all rows, or one number for them all."""
        if self.key.other is not None:
            left, right = rows.read(self.key.reader), rows.read(self.key.other)
            if left is None or right is None:
                return 0
            return self._look(list(zip(left, right, strict=True)), height)
        one = rows.single(self.key.reader)
        if one is not None:
            return self.known[one]
        if height >= LARGE:
            return self._coded(rows, height)
        values = rows.read(self.key.reader)
        return self.known[None] if values is None else self._look(values, height)

    def _coded(self, rows: Rows, height: int) -> Ids | int:
        """As `ids`, for many rows of all kinds: those without a value at once, and each distinct value once."""
        nothing = self.known[None]
        places = rows.filled(self.key.reader.columns)
        if not len(places):
            return nothing
        few = rows if len(places) == height else Rows(rows.frame.pick(places.to_numpy()))
        coded = few.coded(self.key.reader)
        if coded is None:
            values = few.read(self.key.reader)
            ids: Any = nothing if values is None else self._look(values, len(places))
        else:
            ids = self._look(coded[1], len(coded[1]))[coded[0]]
        out = np.full(height, nothing, np.int32)
        out[places.to_numpy()] = ids
        return out

    def _look(self, values: Sequence[Any], height: int) -> Ids:
        return np.fromiter(map(self.known.__getitem__, values), np.int32, height)


class _Table(dict[Any, int]):
    """The cache of a field: a missing value is judged on the spot."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field

    def __missing__(self, value: Any) -> int:
        field = self.field
        found = self[value] = field.number(field.judge.judge(value))
        size = len(value) if isinstance(value, str) else sum(len(v) for v in value or () if v)
        field.memory.used += ENTRY + size
        return found


class Search:
    """Keywords: one scan over the texts of all rows together, then the judge for rows that may hit. Not cached."""

    def __init__(self, field: Field, wanted: Truth, program: Program) -> None:
        self.field, self.wanted = field, wanted
        mine = [test for number, test in program.tests[field.key] if number in wanted]
        literals = [_longest(test.value) for test in mine if test.kind in ("text", "cased")]
        self.spotter = None
        if len(literals) == len(mine) and all(literals):
            forms = sorted({form for literal in literals for form in _forms(literal)})
            self.spotter = multi.spotter(forms, program.engine, program.folder)

    def ids(self, rows: Rows, height: int) -> Ids | int:
        held = {name: rows.frame.held[name] for name in columns.WHOLE if name in rows.have}
        if not held:
            return 0
        places: Sequence[int] = range(height)
        if self.spotter is not None:
            places = sorted({row for column in held.values() for row in self.spotter.rows(column)})
        if not places:
            return 0
        out = np.zeros(height, np.int32)
        few = {name: column.at(list(places)) for name, column in held.items()}
        for at, row in enumerate(places):
            text = columns.whole({name: texts[at] for name, texts in few.items()})
            out[row] = self.field.number(self.field.judge.judge(text) & self.wanted)
        return out


def _array(known: dict[int, npt.NDArray[Any]], place: int, values: Sequence[int]) -> npt.NDArray[Any]:
    """Values that only grow in number, as an array."""
    held = known.get(place)
    if held is None or len(held) != len(values):
        held = known[place] = np.array(values)
    return held


def _longest(parts: Sequence[Part]) -> str:
    """The longest run of ASCII that a text must hold for the pattern to be true of it."""
    folded = (fold(part) for part in parts if isinstance(part, str))
    return max((run for part in folded for run in ASCII.findall(part)), key=len, default="")


def _forms(literal: str) -> tuple[str, str]:
    """A literal as it may stand in a record: plain, and with the escapes of JSON."""
    return (literal, literal.replace("\\", "\\\\").replace('"', '\\"'))


class Plan:
    """The rules that apply to events with one combination of tags."""

    def __init__(self, rules: Sequence[int], program: Program, fields: dict[Key, Field], memory: Memory) -> None:
        self.rules, self.memory = rules, memory
        self.compiled: list[Compiled] = program.rules
        wanted: dict[Key, set[int]] = defaultdict(set)
        for rule in rules:
            for test in program.rules[rule].tests:
                wanted[program.owner[test]].add(test)
        self.fields: list[tuple[Field, Truth, Search | None]] = []
        for key, tests in wanted.items():
            if key not in fields:
                fields[key] = Field(key, program, memory)
            true = frozenset(tests)
            search = Search(fields[key], true, program) if key.reader.decode == "search" else None
            self.fields.append((fields[key], true, search))
        self.index: dict[int, list[int]] = defaultdict(list)
        self.always: list[int] = []
        for rule in rules:
            anchor = program.rules[rule].anchor
            if anchor is None:
                self.always.append(rule)
            for test in anchor or ():
                self.index[test].append(rule)
        self.anchors = frozenset(self.index)
        self.forget()

    def forget(self) -> None:
        """Start with nothing known: which sets of each field are one for this plan, and what was decided."""
        self.shapes: dict[frozenset[str], tuple[list[int], list[int]]] = {}
        self.narrow: list[list[int]] = [[] for _ in self.fields]
        self.numbers: list[dict[Truth, int]] = [{EMPTY: 0} for _ in self.fields]
        self.sets: list[list[Truth]] = [[EMPTY] for _ in self.fields]
        self.stirs: list[list[bool]] = [[False] for _ in self.fields]  # whether a set makes any rule a candidate
        self.decided: dict[tuple[int, ...], dict[tuple[int, ...], tuple[int, ...]]] = {}
        self.narrowed: dict[int, npt.NDArray[Any]] = {}
        self.stirring: dict[int, npt.NDArray[Any]] = {}
        self.settled: dict[Truth, tuple[int, ...]] = {}  # the same, whatever columns there are

    @property
    def broad(self) -> bool:
        """Whether most events must be looked at whole: keywords, and rules that name nothing that must be there."""
        return bool(self.always) or any(search for _, _, search in self.fields)

    def hits(self, rows: Rows) -> list[tuple[int, tuple[int, ...]]]:
        """(row, rules) for every row that some rule fires on."""
        height = rows.frame.height
        places, base = self._shape(rows.have)
        varying: list[Ids] = []
        moving: list[int] = []
        for place in places:
            field, _, search = self.fields[place]
            ids = (search or field).ids(rows, height)
            if isinstance(ids, int):
                base[place] = self._narrow(place)[ids]
            else:
                varying.append(_array(self.narrowed, place, self._narrow(place))[ids])
                moving.append(place)
        if not varying:
            found = self._decide(tuple(base))
            return [(row, found) for row in range(height)] if found else []
        live = self._live(varying, moving, base)
        return self._rows(live.tolist(), [ids[live].tolist() for ids in varying], moving, tuple(base))

    def _live(self, varying: list[Ids], moving: list[int], base: list[int]) -> npt.NDArray[np.int64]:
        """Rows for which any rule is a candidate; on no other can one fire."""
        height = len(varying[0])
        fixed = (self.stirs[place][number] for place, number in enumerate(base) if place not in moving)
        if self.always or any(fixed):
            return np.arange(height)
        live = np.zeros(height, bool)
        for ids, place in zip(varying, moving, strict=True):
            live |= _array(self.stirring, place, self.stirs[place])[ids]
        return np.flatnonzero(live)

    def _shape(self, have: frozenset[str]) -> tuple[list[int], list[int]]:
        """The fields that a frame with these columns can fill, and the signature of a row in which none is."""
        known = self.shapes.get(have)
        if known is None:
            places, base = [], [0] * len(self.fields)
            for place, (field, _, _) in enumerate(self.fields):
                if have.isdisjoint(field.columns):
                    blank = field.blank()
                    base[place] = self._narrow(place)[blank]
                else:
                    places.append(place)
            known = self.shapes[have] = (places, base)
        return known[0], list(known[1])

    def _rows(
        self, rows: list[int], varying: list[list[int]], places: list[int], base: tuple[int, ...]
    ) -> list[tuple[int, tuple[int, ...]]]:
        known = self.decided.setdefault((*places, -1, *base), {})
        out = []
        for row, signature in zip(rows, zip(*varying, strict=True), strict=True):
            found = known.get(signature)
            if found is None:
                full = list(base)
                for place, number in zip(places, signature, strict=True):
                    full[place] = number
                found = known[signature] = self._decide(tuple(full))
                self.memory.used += ENTRY + 16 * len(signature)
            if found:
                out.append((row, found))
        return out

    def _narrow(self, place: int) -> list[int]:
        """For each of the field's sets, the number of what is left of it with only this plan's tests."""
        field, true, _ = self.fields[place]
        narrow, numbers = self.narrow[place], self.numbers[place]
        for full in field.sets[len(narrow) :]:
            left = full & true
            known = numbers.get(left)
            if known is None:
                known = numbers[left] = len(self.sets[place])
                self.sets[place].append(left)
                self.stirs[place].append(not self.anchors.isdisjoint(left))
            narrow.append(known)
        return narrow

    def _decide(self, signature: tuple[int, ...]) -> tuple[int, ...]:
        """Rules that fire where these tests are true."""
        true = EMPTY.union(*(self.sets[place][number] for place, number in enumerate(signature) if number))
        found = self.settled.get(true)
        if found is None:
            candidates = set(self.always)
            for test in true:
                candidates.update(self.index.get(test, ()))
            found = tuple(sorted(rule for rule in candidates if holds(self.compiled[rule].node, true)))
            self.settled[true] = found
            self.memory.used += ENTRY + 32 * len(true)
        return found

