"""Many values of one field judged at once, by their bytes in a lexicon; equal to Judge, value by value.

Most values are decided by the literals that stand in them, and those by arrays; a value is read where its field has
expressions, networks or numbers to compare with, or where a pattern with wildcards may hold of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from detections.sigma.fold import fold
from detections.sigma.judge import Judge
from detections.sigma.ledger import doubled
from detections.sigma.literals import KERNELS, Literals, suits
from detections.sigma.patterns import Shape
from soc_core.lexicon import ESCAPED, Bytes, Codes, Ints, Lexicon, lowered
from soc_core.native import kernels
from soc_core.table import Strings

Truth = frozenset[int]
MOST = 4096  # sets of literals that are remembered
OPEN = -1  # the number of what literals alone do not decide


class Known(NamedTuple):
    """What is true of values with some literals, its number, and patterns that may hold; `beyond`: nothing is known."""

    true: Truth
    number: int
    shapes: tuple[tuple[int, Shape], ...]
    beyond: bool = False


class Jury:
    """A judge's literals, made when the first value comes."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        plain = judge.plain
        self.suits = suits(plain)
        self.base = [*judge.something, *plain.always]
        self.reads = bool(plain.free or judge.cased or judge.regexes or judge.networks or judge.compares or judge.times)
        self.opens = self.reads or bool(judge.decode)  # every value is read
        self._literals: Literals | None = None
        self._numbers: Codes
        self.forget()

    def judged(self, lexicon: Lexicon, codes: Codes, number: Callable[[Truth], int]) -> Codes:
        """Of each code, which is of a value, the number of the set of tests that are true; `number` gives it."""
        literals = self.ready()
        low = lexicon.lowered(codes) if literals is not None else None
        if literals is None or low is None:
            return np.array([number(self.judge.judge(text)) for text in lexicon.some(codes.tolist())], np.int32)
        out, sets = self._decided(literals, *low, number)
        odd = np.flatnonzero(out == OPEN)
        for place, text in zip(odd.tolist(), lexicon.some(codes[odd].tolist()), strict=True):
            known = self.known[sets[place]]
            out[place] = number(self.judge.judge(text) if known.beyond else self._read(known, text or ""))
        return out

    def spanned(self, texts: Strings, rows: Ints, number: Callable[[Truth], int]) -> Codes:
        """As `judged`, of values where they lie, so long that they have no code; OPEN for those that must be read."""
        literals = None if self.opens else self.ready()
        if literals is None:
            return np.full(len(rows), OPEN, np.int32)
        ways = np.full(len(rows), ESCAPED, np.uint8)  # what is plain has no escapes
        low = lowered(texts.data, texts.starts[rows], texts.ends[rows], ways)
        return self._decided(literals, *low, number)[0]

    def _decided(self, literals: Literals, data: Bytes, starts: Ints, ends: Ints, number: Callable[[Truth], int]
                 ) -> tuple[Codes, Codes]:
        """What the literals of texts decide, and the set of these in each; 0 for what is not ASCII."""
        if literals.known > MOST:
            self.forget()
        sets = literals.hold(data, starts, ends)
        first = len(self.known)
        for hits in literals.met(first):
            self.known.append(self._made(literals, hits, number))
        self._numbers = doubled(self._numbers, len(self.known))
        self._numbers[first : len(self.known)] = [each.number for each in self.known[first:]]
        return self._numbers[sets], sets

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

    def _made(self, literals: Literals, hits: Sequence[int], number: Callable[[Truth], int]) -> Known:
        """What is known by these literals alone."""
        tests = [test for hit in hits for test in literals.tests[hit]]
        shapes = tuple(pair for hit in hits for pair in literals.shapes[hit])
        true = frozenset([*self.base, *tests])
        return Known(true, OPEN if shapes or self.opens else number(true), shapes)

    def ready(self) -> Literals | None:
        """The literals, where these decide anything; to be known before a value comes."""
        if kernels(KERNELS) is None or not self.suits:
            return None
        if self._literals is None:
            self._literals = Literals(self.judge.plain)
        return self._literals

    def forget(self) -> None:
        """Start with nothing known: numbers are given anew."""
        self.known = [Known(frozenset(), OPEN, (), beyond=True)]  # by the numbers of sets
        self._numbers = np.full(1, OPEN, np.int32)
        if self._literals is not None:
            self._literals.forget()
