"""Many values of one field judged at once, by their bytes in a lexicon; equal to Judge, value by value.

Most values are decided by the literals that stand in them, and those by arrays; a value is read where its field has
expressions, networks or numbers to compare with, or where a pattern with wildcards may hold of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from detections.sigma.fold import fold
from detections.sigma.judge import Judge
from detections.sigma.literals import KERNELS, Literals, suits
from detections.sigma.patterns import Shape
from soc_core.lexicon import Codes, Lexicon
from soc_core.native import kernels

Truth = frozenset[int]
MOST = 4096  # sets of literals that are remembered


class Known(NamedTuple):
    """What is true of values with some literals, its number, patterns that may hold, and whether a value is read."""

    true: Truth
    number: int
    shapes: tuple[tuple[int, Shape], ...]
    open: bool


class Jury:
    """A judge's literals, made when the first value comes."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        plain = judge.plain
        self.suits = suits(plain)
        self.base = [*judge.something, *plain.always]
        self.reads = bool(plain.free or judge.cased or judge.regexes or judge.networks or judge.compares or judge.times)
        self.known: dict[tuple[int, ...], Known] = {}
        self._literals: Literals | None = None

    def judged(self, lexicon: Lexicon, codes: Codes, number: Callable[[Truth], int]) -> list[int]:
        """Of each code, which is of a value, the number of the set of tests that are true; `number` gives it."""
        self.ready()
        low = lexicon.lowered(codes) if self._literals is not None and kernels(KERNELS) is not None else None
        if low is None or self._literals is None:
            return [number(self.judge.judge(text)) for text in lexicon.some(codes.tolist())]
        data, starts, ends = low
        plain = np.flatnonzero(starts >= 0)
        rows, hits = self._literals.hold(data, starts[plain], ends[plain])
        cuts = np.searchsorted(rows, np.arange(len(plain) + 1)).tolist()
        listed, numbers = hits.tolist(), codes.tolist()
        out = [-1] * len(codes)
        odd = []
        for place, first, last in zip(plain.tolist(), cuts, cuts[1:], strict=False):
            held = tuple(listed[first:last])
            known = self.known.get(held)
            if known is None:
                known = self._remember(held, number)
            if known.open:
                odd.append((place, known))
            else:
                out[place] = known.number
        for (place, known), text in zip(odd, lexicon.some([numbers[place] for place, _ in odd]), strict=True):
            out[place] = number(self._read(known, text or ""))
        rest = np.flatnonzero(starts < 0).tolist()
        for place, text in zip(rest, lexicon.some([numbers[place] for place in rest]), strict=True):
            out[place] = number(self.judge.judge(text))
        return out

    def _read(self, known: Known, text: str) -> Truth:
        """What is true of a text that has these literals."""
        if self.judge.decode and ("%" in text or "+" in text):
            return self.judge.judge(text)
        more: list[int] = []
        if known.shapes or self.judge.plain.free:
            low = fold(text)
            more += [test for test, shape in known.shapes if shape.holds(low)]
            more += [test for test, shape in self.judge.plain.free if shape.holds(low)]
        if self.reads:
            self.judge.rest(text, more)
        return known.true.union(more) if more else known.true

    def _remember(self, hits: tuple[int, ...], number: Callable[[Truth], int]) -> Known:
        held = self._literals
        if len(self.known) >= MOST:
            self.known.clear()
        tests = [test for hit in hits for test in held.tests[hit]] if held else []
        shapes = tuple(pair for hit in hits for pair in held.shapes[hit]) if held else ()
        true = frozenset([*self.base, *tests])
        opened = bool(shapes or self.reads or self.judge.decode)
        found = Known(true, -1 if opened else number(true), shapes, opened)
        self.known[hits] = found
        return found

    def ready(self) -> None:
        """Know the literals, before a value comes."""
        if self._literals is None and self.suits and kernels(KERNELS) is not None:
            self._literals = Literals(self.judge.plain)

    def forget(self) -> None:
        """Start with nothing known: numbers are given anew."""
        self.known.clear()
