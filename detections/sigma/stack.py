"""Parts of a batch judged together: each field's values at once, whatever parts they stand in, then the rows by plans.

So what a look costs beside the values is paid once for a field, not for each part. Only where there are kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detections.sigma import columns, search
from detections.sigma.books import KERNELS
from detections.sigma.columns import Rows
from detections.sigma.fields import Book, Field, Ids
from detections.sigma.plan import Hits, Plan
from detections.sigma.search import Search
from soc_core.lexicon import Codes, Lexicon
from soc_core.native import kernels

Unit = tuple[Plan, Rows]
NOBODY: Hits = []


class Stack:
    """Parts, each with its plan."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        self.loops: Any = kernels(KERNELS)
        self.blocks: list[Ids] = []  # set numbers, field by field
        self.size = 0
        self.shapes = [plan.shape(rows.have) for plan, rows in units]
        self.offsets = [list(shape.blank) for shape in self.shapes]  # as the kernel `sign` says

    def hits(self) -> list[Hits]:
        """(row, rules) for every row that some rule fires on, part by part."""
        searches: list[tuple[Search, tuple[int, int]]] = []
        for reader, places in self._readers().items():
            if isinstance(reader, Search):
                searches += [(reader, place) for place in places]
            else:
                self._read(reader, places)
        self._searched(searches)
        ids = np.concatenate(self.blocks) if self.blocks else np.zeros(1, np.int32)
        out: list[Hits] = [NOBODY] * len(self.units)
        plans: dict[int, list[int]] = {}
        for unit, (plan, _) in enumerate(self.units):
            plans.setdefault(id(plan), []).append(unit)
        for units in plans.values():
            self._sign(units, ids, out)
        return out

    def _readers(self) -> dict[Field | Search, list[tuple[int, int]]]:
        """What is read: in which units, and where among the places that these look at."""
        columns.prepare([(rows, shape.coded) for (_, rows), shape in zip(self.units, self.shapes, strict=True)])
        found: dict[Field | Search, list[tuple[int, int]]] = {}
        for unit, shape in enumerate(self.shapes):
            for number, reader in shape.readers:
                found.setdefault(reader, []).append((unit, number))
        return found

    def _put(self, places: Sequence[tuple[int, int]], ids: Ids) -> None:
        """Set numbers of the rows of these units, one after another."""
        at = self.size
        for unit, number in places:
            self.offsets[unit][number] = at
            at += self.units[unit][1].frame.height
        self.blocks.append(ids)
        self.size = at

    def _one(self, place: tuple[int, int], ids: Ids | int) -> None:
        if isinstance(ids, int):
            self.offsets[place[0]][place[1]] = -1 - ids
        else:
            self._put([place], ids)

    def _searched(self, searches: Sequence[tuple[Search, tuple[int, int]]]) -> None:
        found = search.found([(each, self.units[place[0]][1]) for each, place in searches])
        for (_, place), ids in zip(searches, found, strict=True):
            self._one(place, ids)

    def _read(self, field: Field, places: Sequence[tuple[int, int]]) -> None:
        """One field in all units that have it: by codes where there are any."""
        if field.plain:
            self._plainly(field, places)
            return
        coded: dict[tuple[int, ...], tuple[list[Lexicon | None], list[tuple[int, int]], list[list[Codes | None]]]] = {}
        for place in places:
            rows = self.units[place[0]][1]
            held = field.lines(rows)
            if held is None:
                self._one(place, field.ids(rows, rows.frame.height))
                continue
            lexicons, codes = held
            _, own, lines = coded.setdefault(tuple(map(id, lexicons)), (lexicons, [], []))
            own.append(place)
            lines.append(codes)
        for lexicons, own, lines in coded.values():
            heights = [self.units[unit][1].frame.height for unit, _ in own]
            self._put(own, self._look(field, own, *field.together(lexicons, lines, heights)))

    def _plainly(self, field: Field, places: Sequence[tuple[int, int]]) -> None:
        """The same for a field that is one column."""
        name = field.places[0][0]
        coded: dict[int, tuple[Lexicon, list[tuple[int, int]], list[Codes]]] = {}
        for place in places:
            rows = self.units[place[0]][1]
            held = rows.codes(name)
            if held is None:
                self._one(place, field.ids(rows, rows.frame.height))
                continue
            lexicon, line = held
            known = coded.get(id(lexicon))
            if known is None:
                known = coded[id(lexicon)] = (lexicon, [], [])
            known[1].append(place)
            known[2].append(line)
        for lexicon, own, codes in coded.values():
            self._put(own, self._look(field, own, lexicon, codes[0] if len(codes) == 1 else np.concatenate(codes)))

    def _look(self, field: Field, places: Sequence[tuple[int, int]], book: Book, codes: Codes) -> Ids:
        """The set numbers; what is new is judged."""
        out, fresh = np.empty(len(codes), np.int32), np.empty(len(codes), np.int32)
        met = self.loops.look(field.table(book), codes, out, fresh)
        if met >= self.loops.FRESH:
            field.learn(book, fresh[: met // self.loops.FRESH])
            met = self.loops.look(field.table(book), codes, out, fresh)
        if met & self.loops.ELSEWHERE:
            at = 0
            for unit, _ in places:
                rows = self.units[unit][1]
                height = rows.frame.height
                odd = np.flatnonzero(codes[at : at + height] < 0)
                if len(odd):
                    out[at + odd] = field.elsewhere(rows, odd)
                at += height
        return out

    def _sign(self, units: Sequence[int], ids: Ids, out: list[Hits]) -> None:
        """What fires on the rows of units of one plan, by their signatures."""
        plan = self.units[units[0]][0]
        table, begins = plan.packed()
        found: list[tuple[int, Ids, Codes]] = []
        for unit in units:
            rows = self.units[unit][1]
            height = rows.frame.height
            chosen, codes = np.empty(height, np.int32), np.empty(height, np.int32)
            many = plan.ledger.sign(
                ids, np.array(self.offsets[unit], np.int64), self.shapes[unit].looked, table, begins, height,
                bool(plan.always), chosen, codes)
            if many:
                found.append((unit, chosen[:many], codes[:many]))
        if not found:
            return
        for code in plan.ledger.undecided(np.concatenate([codes for _, _, codes in found])):
            plan.ledger.decide(code, plan.decide(plan.ledger.pairs(code)))
        for unit, chosen, codes in found:
            out[unit] = plan.ledger.firing(chosen, codes)


def hits(units: Sequence[Unit]) -> list[Hits]:
    """(row, rules) for every row that some rule of its plan fires on, part by part."""
    if kernels(KERNELS) is None:
        return [plan.hits(rows) for plan, rows in units]
    return Stack(units).hits()
