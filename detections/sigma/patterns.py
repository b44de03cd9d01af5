"""Which of many Sigma string patterns hold of a text: hash lookups for whole, head and tail, one scan for the rest.

Cost follows the text and what it hits, not the number of patterns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from re2 import escape

from detections.sigma import multi
from detections.sigma.multi import EngineName
from detections.sigma.terms import ANY, ONE, Part

KEY = 8  # characters by which heads and tails are grouped before their lengths are tried
Glob = tuple[Part, ...]


class Ends:
    """Literals that must stand at one end of the text."""

    def __init__(self, tail: bool) -> None:
        self.tail = tail
        self.by_length: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.short: list[tuple[slice, dict[str, list[int]]]] = []
        self.long: dict[str, list[tuple[slice, dict[str, list[int]]]]] = {}
        self.key = self._end(KEY)

    def add(self, number: int, literal: str) -> None:
        self.by_length[len(literal)][literal].append(number)

    def _end(self, size: int) -> slice:
        """Of a text that is shorter, the whole: no literal of that size is equal to it."""
        return slice(-size, None) if self.tail else slice(size)

    def close(self) -> None:
        """Make the index; after the last `add`."""
        for size, literals in sorted(self.by_length.items()):
            table = (self._end(size), dict(literals))
            if size < KEY:
                self.short.append(table)
                continue
            for key in {literal[self.key] for literal in literals}:
                self.long.setdefault(key, []).append(table)

    def find(self, text: str, out: list[int]) -> None:
        for end, table in self.short:
            hit = table.get(text[end])
            if hit:
                out += hit
        for end, table in self.long.get(text[self.key], ()) if self.long else ():
            hit = table.get(text[end])
            if hit:
                out += hit


class Shape:
    """A pattern with wildcards inside, checked in linear time once its longest literal was found."""

    __slots__ = ("expression", "pieces", "whole_head", "whole_tail")

    def __init__(self, glob: Glob) -> None:
        self.expression = None
        self.pieces: list[str] = []
        self.whole_head = bool(glob) and glob[0] != ANY
        self.whole_tail = bool(glob) and glob[-1] != ANY
        if ONE in glob:
            body = "".join(".*" if p == ANY else "." if p == ONE else escape(str(p)) for p in glob)
            self.expression = multi.compile_re2(rf"\A(?:{body})\z", "s")
        else:
            self.pieces = [part for part in glob if isinstance(part, str)]

    def holds(self, text: str) -> bool:
        """Whether the whole text has this shape: literals in order, the first and last at the ends if so stated."""
        if self.expression is not None:
            return self.expression.search(text.encode()) is not None
        pieces, start, end = self.pieces, 0, len(text)
        first, last = 0, len(pieces)
        if self.whole_head:
            if not text.startswith(pieces[0]):
                return False
            start, first = len(pieces[0]), 1
        if self.whole_tail and last > first:
            if not text.endswith(pieces[-1]) or end - len(pieces[-1]) < start:
                return False
            end, last = end - len(pieces[-1]), last - 1
        for piece in pieces[first:last]:
            at = text.find(piece, start, end)
            if at < 0:
                return False
            start = at + len(piece)
        return self.whole_tail is False or last < len(pieces) or start == end


class Patterns:
    """Numbered patterns over one alphabet: folded texts for the ordinary ones, raw texts for `cased`."""

    def __init__(self, items: Sequence[tuple[int, Glob]], engine: EngineName, folder: Path | None) -> None:
        self.whole: dict[str, list[int]] = defaultdict(list)
        self.head, self.tail = Ends(tail=False), Ends(tail=True)
        self.always: list[int] = []
        self.free: list[tuple[int, Shape]] = []
        inside: dict[str, list[int]] = defaultdict(list)
        shapes: dict[str, list[tuple[int, Shape]]] = defaultdict(list)
        for number, glob in items:
            match glob:
                case ():
                    self.whole[""].append(number)
                case (str() as text,):
                    self.whole[text].append(number)
                case (0,):
                    self.always.append(number)
                case (0, str() as text):
                    self.tail.add(number, text)
                case (str() as text, 0):
                    self.head.add(number, text)
                case (0, str() as text, 0):
                    inside[text].append(number)
                case _:
                    literal = max((p for p in glob if isinstance(p, str)), key=len, default="")
                    if literal:
                        shapes[literal].append((number, Shape(glob)))
                    else:
                        self.free.append((number, Shape(glob)))
        self.head.close()
        self.tail.close()
        self.whole = dict(self.whole)
        self.texts = texts = sorted({*inside, *shapes})
        self.inside = [(inside.get(text, []), shapes.get(text, [])) for text in texts]
        self.scanner = multi.literals(texts, engine, folder) if texts else None

    def find(self, text: str, data: bytes, out: list[int]) -> None:
        """Append the numbers of the patterns that hold of the text; `data` is its UTF-8 form."""
        out += self.always
        hit = self.whole.get(text)
        if hit:
            out += hit
        self.head.find(text, out)
        self.tail.find(text, out)
        if self.scanner is not None and data:
            for place in self.scanner.scan(data):
                numbers, shapes = self.inside[place]
                out += numbers
                for number, shape in shapes:
                    if shape.holds(text):
                        out.append(number)
        for number, shape in self.free:
            if shape.holds(text):
                out.append(number)
