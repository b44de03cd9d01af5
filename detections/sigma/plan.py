"""One plan for each combination of log-source tags: its rules, the fields they read, and what was decided before.

An event's signature is, for each field, which of the plan's tests are true of its value. Rules are judged once for
each signature. Every table here is bounded: `Memory.full` says when the engine forgets and starts anew.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from detections.sigma.books import Memory
from detections.sigma.columns import Rows
from detections.sigma.compile import Compiled, Key, Program, Truth, holds
from detections.sigma.fields import EMPTY, ENTRY, Field, Ids
from detections.sigma.ledger import Ledger, Pair, packed
from detections.sigma.search import Search
from soc_core.lexicon import Ints

Hits = list[tuple[int, tuple[int, ...]]]


class Shape(NamedTuple):
    """What a plan looks at in parts with certain columns."""

    coded: tuple[str, ...]  # columns that are read by codes
    places: list[int]  # fields that the columns can fill
    base: list[int]  # the signature of a row in which none of them is
    looked: Ids  # places of fields that a signature may hold
    blank: list[int]  # for each of these -1 less the set of a row without a value
    readers: list[tuple[int, Field | Search]]  # by which of these a value is read


def _array(known: dict[int, npt.NDArray[Any]], place: int, values: Sequence[int], kind: Any) -> npt.NDArray[Any]:
    """Values that only grow in number, as an array."""
    held = known.get(place)
    if held is None or len(held) != len(values):
        held = known[place] = np.array(values, kind)
    return held


class Plan:
    """The rules that apply to events with one combination of tags."""

    def __init__(self, rules: Sequence[int], program: Program, fields: dict[Key, Field], memory: Memory,
                 costs: Counter[int]) -> None:
        self.rules, self.memory, self.costs = rules, memory, costs
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
        self.shapes: dict[frozenset[str], Shape] = {}
        self.narrow: list[list[int]] = [[] for _ in self.fields]
        self.numbers: list[dict[Truth, int]] = [{EMPTY: 0} for _ in self.fields]
        self.sets: list[list[Truth]] = [[EMPTY] for _ in self.fields]
        self.roused: list[list[frozenset[int]]] = [[frozenset()] for _ in self.fields]  # candidates that a set makes
        self.stirs: list[list[bool]] = [[False] for _ in self.fields]  # whether there is any
        self.decided: dict[tuple[int, ...], dict[tuple[int, ...], tuple[int, ...]]] = {}
        self.narrowed: dict[int, npt.NDArray[Any]] = {}
        self.stirring: dict[int, npt.NDArray[Any]] = {}
        self.settled: dict[Truth, tuple[int, ...]] = {}  # the same, whatever columns there are
        self.outcomes: dict[tuple[int, Truth], bool] = {}
        self.signed: Ledger | None = None  # as `decided`, by numbers
        self.packs: tuple[Ids, Ints] | None = None
        self.grown: list[list[Truth]] = []  # each field's sets, and how much of them lies in it
        self.known: list[int] = []

    @property
    def broad(self) -> bool:
        """Whether most events must be looked at whole: keywords, and rules that name nothing that must be there."""
        return bool(self.always) or any(search for _, _, search in self.fields)

    def hits(self, rows: Rows) -> Hits:
        """(row, rules) for every row that some rule fires on."""
        height = rows.frame.height
        shape = self.shape(rows.have)
        places, base = shape.places, list(shape.base)
        varying: list[Ids] = []
        moving: list[int] = []
        for place in places:
            field, _, search = self.fields[place]
            ids = (search or field).ids(rows, height)
            if isinstance(ids, int):
                base[place] = self._narrow(place)[ids]
            else:
                varying.append(self._arrays(place)[0][ids])
                moving.append(place)
        if not varying:
            found = self._settled(base)
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
            live |= self._arrays(place)[1][ids].astype(bool)
        return np.flatnonzero(live)

    def _arrays(self, place: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """By the field's set numbers those of this plan, and by these whether any rule is a candidate."""
        narrow = _array(self.narrowed, place, self._narrow(place), np.int32)
        return narrow, _array(self.stirring, place, self.stirs[place], np.uint8)

    def shape(self, have: frozenset[str]) -> Shape:
        """What is looked at where there are these columns."""
        known = self.shapes.get(have)
        if known is None:
            places, base, coded = [], [0] * len(self.fields), set[str]()
            looked: list[int] = []
            blanks, readers = [], []
            for place, (field, _, search) in enumerate(self.fields):
                blank = field.blank()
                if not have.isdisjoint(field.columns):
                    places.append(place)
                    readers.append((len(looked), search or field))
                    if field.codable:
                        coded |= have.intersection(field.columns)
                else:
                    base[place] = self._narrow(place)[blank]
                    if not base[place]:
                        continue
                looked.append(place)
                blanks.append(-1 - blank)
            known = self.shapes[have] = Shape(
                tuple(coded), places, base, np.array(looked, np.int32), blanks, readers)
        return known

    @property
    def ledger(self) -> Ledger:
        """Made when there is work: kernels are not loaded before."""
        if self.signed is None:
            self.signed = Ledger(len(self.fields), self.memory)
        return self.signed

    def packed(self) -> tuple[Ids, Ints]:
        """By place, from where the second array says on, and by set number: this plan's, twice, and one more where it
        stirs a rule."""
        if self.packs is None:
            self.packs = packed([[] for _ in self.fields])
            self.known, self.grown = [0] * len(self.fields), [field.sets for field, _, _ in self.fields]
        flat, begins = self.packs
        for place, (known, many) in enumerate(zip(self.known, list(map(len, self.grown)), strict=True)):
            if known == many:
                continue
            narrow, stirs = self._narrow(place), self.stirs[place]
            room = (begins[place + 1] if place + 1 < len(begins) else len(flat)) - begins[place]
            if many > room:
                self.packs = packed([[2 * n + self.stirs[at][n] for n in self._narrow(at)]
                                     for at in range(len(self.fields))])
                self.known = [len(each) for each in self.narrow]
                return self.packs
            flat[begins[place] + known : begins[place] + many] = [2 * n + stirs[n] for n in narrow[known:]]
            self.known[place] = many
        return self.packs

    def _fires(self, rule: int, true: Truth) -> bool:
        """Whether a rule holds: remembered by those of its own tests that are true, whatever else is."""
        compiled = self.compiled[rule]
        key = (rule, true & compiled.tests)
        known = self.outcomes.get(key)
        if known is None:
            began = time.perf_counter_ns()
            known = self.outcomes[key] = holds(compiled.node, true)
            self.costs[rule] += time.perf_counter_ns() - began
            self.memory.used += ENTRY + 32 * len(key[1])
        return known

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
                found = known[signature] = self._settled(full)
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
                roused = frozenset(rule for test in left & self.anchors for rule in self.index[test])
                self.roused[place].append(roused)
                self.stirs[place].append(bool(roused))
            narrow.append(known)
        return narrow

    def _settled(self, signature: Sequence[int]) -> tuple[int, ...]:
        return self.decide([(place, number) for place, number in enumerate(signature) if number])

    def decide(self, signature: Sequence[Pair]) -> tuple[int, ...]:
        """Rules that fire where these sets of tests, by places, are true."""
        true = EMPTY.union(*(self.sets[place][number] for place, number in signature))
        found = self.settled.get(true)
        if found is None:
            candidates = set(self.always).union(*(self.roused[place][number] for place, number in signature))
            found = tuple(rule for rule in sorted(candidates) if self._fires(rule, true))
            self.settled[true] = found
            self.memory.used += ENTRY + 32 * len(true)
        return found
