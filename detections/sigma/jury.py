"""Many values of one field judged at once, by their bytes in a lexicon; equal to Judge, value by value.

Most values are decided by the literals that stand in them, and those by arrays; a value is read where its field has
expressions, networks or numbers to compare with, or where a pattern with wildcards may hold of it.
"""

from __future__ import annotations

import numpy as np

from detections.sigma.fold import fold
from detections.sigma.judge import Judge
from detections.sigma.literals import KERNELS, Literals, suits
from detections.sigma.patterns import Shape
from soc_core.lexicon import Codes, Lexicon
from soc_core.native import kernels

Truth = frozenset[int]
Known = tuple[Truth, tuple[tuple[int, Shape], ...]]  # what is true, and what remains to be looked at
MOST = 4096  # sets of literals that are remembered


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

    def judged(self, lexicon: Lexicon, codes: Codes) -> list[Truth]:
        """Of each code, which is of a value, the tests that are true."""
        low = lexicon.lowered(codes) if self.suits and kernels(KERNELS) is not None else None
        if low is None:
            return [self.judge.judge(text) for text in lexicon.some(codes.tolist())]
        data, starts, ends = low
        plain = np.flatnonzero(starts >= 0)
        if self._literals is None:
            self._literals = Literals(self.judge.plain)
        rows, hits = self._literals.hold(data, starts[plain], ends[plain])
        cuts = np.searchsorted(rows, np.arange(len(plain) + 1)).tolist()
        listed, numbers = hits.tolist(), codes.tolist()
        out: list[Truth | None] = [None] * len(codes)
        for number, place in enumerate(plain.tolist()):
            out[place] = self._one(tuple(listed[cuts[number] : cuts[number + 1]]), lexicon, numbers[place])
        return [self.judge.judge(lexicon.some([numbers[place]])[0]) if each is None else each
                for place, each in enumerate(out)]

    def _one(self, hits: tuple[int, ...], lexicon: Lexicon, code: int) -> Truth:
        known = self.known.get(hits)
        if known is None:
            known = self._remember(hits)
        true, shapes = known
        if not shapes and not self.reads and not self.judge.decode:
            return true
        text = lexicon.some([code])[0] or ""
        if self.judge.decode and ("%" in text or "+" in text):
            return self.judge.judge(text)
        more: list[int] = []
        if shapes or self.judge.plain.free:
            low = fold(text)
            more += [number for number, shape in shapes if shape.holds(low)]
            more += [number for number, shape in self.judge.plain.free if shape.holds(low)]
        if self.reads:
            self.judge.rest(text, more)
        return true.union(more) if more else true

    def _remember(self, hits: tuple[int, ...]) -> Known:
        held = self._literals
        if len(self.known) >= MOST:
            self.known.clear()
        tests = [test for hit in hits for test in held.tests[hit]] if held else []
        shapes = tuple(pair for hit in hits for pair in held.shapes[hit]) if held else ()
        found = self.known[hits] = (frozenset([*self.base, *tests]), shapes)
        return found
