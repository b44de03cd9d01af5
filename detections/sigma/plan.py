"""One plan for each combination of log-source tags: its rules, the fields they read, and what was decided before.

An event's signature is, for each field, which of the plan's tests are true of its value. Rules are judged once for
each signature. Every table here is bounded: `Memory.full` says when the engine forgets and starts anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detections.sigma.books import KERNELS, Memory, Tuples
from detections.sigma.columns import Rows
from detections.sigma.compile import Compiled, Key, Program, Truth, holds
from detections.sigma.fields import EMPTY, ENTRY, Book, Field, Ids
from detections.sigma.search import Search
from soc_core.lexicon import Codes
from soc_core.native import kernels

Hits = list[tuple[int, tuple[int, ...]]]
UNDECIDED, SILENT, FIRES = 0, 1, 2


class Ledger:
    """The signatures of one plan and shape that were met, and the rules that fire on each."""

    def __init__(self, width: int, memory: Memory) -> None:
        self.tuples = Tuples(width, memory)
        self.states = np.zeros(16, np.uint8)
        self.rules: dict[int, tuple[int, ...]] = {}

    def codes(self, numbers: Ids, rows: npt.NDArray[np.int64]) -> Codes:
        """Codes of the rows' signatures."""
        codes = self.tuples.encode(numbers, rows)
        if len(self.states) < len(self.tuples):
            self.states = np.concatenate([self.states, np.zeros(len(self.tuples), np.uint8)])
        return codes

    def undecided(self, codes: Codes) -> list[int]:
        """Those of the signatures that are new."""
        odd = codes[self.states[codes] == UNDECIDED]
        return np.unique(odd).tolist() if len(odd) else []

    def decide(self, code: int, rules: tuple[int, ...]) -> None:
        self.states[code] = FIRES if rules else SILENT
        if rules:
            self.rules[code] = rules


def _array(known: dict[int, npt.NDArray[Any]], place: int, values: Sequence[int], kind: Any) -> npt.NDArray[Any]:
    """Values that only grow in number, as an array."""
    held = known.get(place)
    if held is None or len(held) != len(values):
        held = known[place] = np.array(values, kind)
    return held


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
        self.coded: dict[frozenset[str], tuple[str, ...]] = {}  # columns that are read by codes
        self.narrow: list[list[int]] = [[] for _ in self.fields]
        self.numbers: list[dict[Truth, int]] = [{EMPTY: 0} for _ in self.fields]
        self.sets: list[list[Truth]] = [[EMPTY] for _ in self.fields]
        self.roused: list[list[frozenset[int]]] = [[frozenset()] for _ in self.fields]  # candidates that a set makes
        self.stirs: list[list[bool]] = [[False] for _ in self.fields]  # whether there is any
        self.decided: dict[tuple[int, ...], dict[tuple[int, ...], tuple[int, ...]]] = {}
        self.narrowed: dict[int, npt.NDArray[Any]] = {}
        self.stirring: dict[int, npt.NDArray[Any]] = {}
        self.settled: dict[Truth, tuple[int, ...]] = {}  # the same, whatever columns there are
        self.ledgers: dict[tuple[int, ...], Ledger] = {}  # as `decided`, by numbers

    @property
    def broad(self) -> bool:
        """Whether most events must be looked at whole: keywords, and rules that name nothing that must be there."""
        return bool(self.always) or any(search for _, _, search in self.fields)

    def hits(self, rows: Rows) -> Hits:
        """(row, rules) for every row that some rule fires on."""
        loops = kernels(KERNELS) if rows.books is not None else None
        if loops is not None:
            return self._quick(rows, loops)
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
                varying.append(self._arrays(place)[0][ids])
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
            live |= self._arrays(place)[1][ids].astype(bool)
        return np.flatnonzero(live)

    def _quick(self, rows: Rows, loops: Any) -> Hits:
        """As `hits`, by codes: what was met before costs a few reads of arrays."""
        height = rows.frame.height
        places, base = self._shape(rows.have)
        rows.prepare(self.coded[rows.have])
        numbers = np.empty((len(places), height), np.int32)
        live = np.zeros(height, np.uint8)
        moving: list[int] = []
        for place in places:
            field, _, search = self.fields[place]
            out = numbers[len(moving)]
            held = None if search or rows.single(field.key.reader) is not None else field.codes(rows)
            if held is not None:
                self._look(loops, place, rows, *held, out, live)
            else:
                ids = (search or field).ids(rows, height)
                if isinstance(ids, int):
                    base[place] = self._narrow(place)[ids]
                    continue
                narrow, stirs = self._arrays(place)
                np.take(narrow, ids, out=out)
                live |= stirs[out]
            moving.append(place)
        if not moving:
            found = self._decide(tuple(base))
            return [(row, found) for row in range(height)] if found else []
        fixed = (self.stirs[place][number] for place, number in enumerate(base) if place not in moving)
        chosen = np.arange(height) if self.always or any(fixed) else np.flatnonzero(live)
        return self._recalled(numbers[: len(moving)], chosen, moving, base) if len(chosen) else []

    def _look(self, loops: Any, place: int, rows: Rows, book: Book, codes: Codes, out: Ids, live: Any) -> None:
        """Put the numbers of a field's sets into `out`; judge what is new."""
        field = self.fields[place][0]
        met = loops.look(field.table(book), *self._arrays(place), codes, out, live)
        if met & loops.UNKNOWN:
            field.learn(book, codes)
            met = loops.look(field.table(book), *self._arrays(place), codes, out, live)
        if met & loops.ELSEWHERE:
            odd = np.flatnonzero(codes < 0)
            ids = field.elsewhere(rows, odd)
            narrow, stirs = self._arrays(place)
            out[odd] = narrow[ids]
            live[odd] |= stirs[out[odd]]

    def _arrays(self, place: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """By the field's set numbers those of this plan, and by these whether any rule is a candidate."""
        narrow = _array(self.narrowed, place, self._narrow(place), np.int32)
        return narrow, _array(self.stirring, place, self.stirs[place], np.uint8)

    def _recalled(self, numbers: Ids, chosen: npt.NDArray[np.int64], moving: list[int], base: list[int]) -> Hits:
        """What fires on the chosen rows, by their signatures."""
        key = (*moving, -1, *base)
        ledger = self.ledgers.get(key)
        if ledger is None:
            ledger = self.ledgers[key] = Ledger(len(moving), self.memory)
        codes = ledger.codes(numbers, chosen)
        for code in ledger.undecided(codes):
            full = list(base)
            for place, number in zip(moving, ledger.tuples.held[code].tolist(), strict=True):
                full[place] = number
            ledger.decide(code, self._decide(tuple(full)))
        firing = np.flatnonzero(ledger.states[codes] == FIRES)
        return [(row, ledger.rules[code]) for row, code in
                zip(chosen[firing].tolist(), codes[firing].tolist(), strict=True)]

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
            codable = [self.fields[place][0] for place in places if self.fields[place][0].codable]
            self.coded[have] = tuple({column for field in codable for column in field.columns & have})
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
                roused = frozenset(rule for test in left & self.anchors for rule in self.index[test])
                self.roused[place].append(roused)
                self.stirs[place].append(bool(roused))
            narrow.append(known)
        return narrow

    def _decide(self, signature: tuple[int, ...]) -> tuple[int, ...]:
        """Rules that fire where these tests are true."""
        true = EMPTY.union(*(self.sets[place][number] for place, number in enumerate(signature) if number))
        found = self.settled.get(true)
        if found is None:
            candidates = set(self.always)
            for place, number in enumerate(signature):
                if number:
                    candidates.update(self.roused[place][number])
            found = tuple(sorted(rule for rule in candidates if holds(self.compiled[rule].node, true)))
            self.settled[true] = found
            self.memory.used += ENTRY + 32 * len(true)
        return found

