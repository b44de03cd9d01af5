"""One field of many rules: its judge, and what is known already of its values.

What is known lies in an array by the values' codes where a column has them, else in a dictionary by the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np
import numpy.typing as npt

from detections.sigma.books import Joint, Memory
from detections.sigma.columns import Rows, joined
from detections.sigma.compile import Key, Program, Truth
from detections.sigma.judge import Judge
from detections.sigma.jury import OPEN, Jury
from soc_core.lexicon import Codes, Ints, Lexicon

EMPTY: Truth = frozenset()
Ids = npt.NDArray[np.int32]
Book = Lexicon | Joint
LARGE = 4096  # rows from which on a part is read by distinct values
ENTRY = 150  # bytes that an entry of a table costs beside its key
BOOKS = 3  # books of which a field knows the outcomes: the one in use, and those just before


class Field:
    """One key's judge with its cache: value → number of the set of tests that are true of it."""

    def __init__(self, key: Key, program: Program, memory: Memory) -> None:
        self.key, self.memory = key, memory
        self.columns = key.columns
        readers = [key.reader] if key.other is None else [key.reader, key.other]
        self.sides = [[*((s.column, "") for s in reader.sources), *((c, label) for label, c in reader.labelled)]
                      for reader in readers]  # of each reader: columns, and the labels that go before their values
        self.places = [place for side in self.sides for place in side]
        pathless = not any(source.path for reader in readers for source in reader.sources)
        self.codable = pathless and key.reader.decode != "search"
        self.plain = key.other is None and self.codable and len(self.places) == 1 and not self.places[0][1]
        self.judge: Any = program.judge(key)
        self.jury = Jury(self.judge) if isinstance(self.judge, Judge) else None
        self.forget()

    def forget(self) -> None:
        """Start with nothing known."""
        self.numbers: dict[Truth, int] = {EMPTY: 0}
        self.sets: list[Truth] = [EMPTY]
        self.known = _Table(self)
        self.tables: list[tuple[ref[Book], Ids]] = []
        self.joints: list[Joint] = []
        if self.jury is not None:
            self.jury.forget()

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
            return self._distinct(rows, height)
        values = rows.read(self.key.reader)
        return self.known[None] if values is None else self._look(values, height)

    def _distinct(self, rows: Rows, height: int) -> Ids | int:
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

    def lines(self, rows: Rows) -> tuple[list[Lexicon | None], list[Codes | None]] | None:
        """The values of each column by codes of a lexicon, None where there is no column; None where one has no codes.
        """
        if not self.codable:
            return None
        lexicons: list[Lexicon | None] = []
        codes: list[Codes | None] = []
        for column, _ in self.places:
            held = rows.codes(column) if column in rows.have else None
            if held is None and column in rows.have:
                return None
            lexicons.append(held.lexicon if held else None)
            codes.append(held.codes if held else None)
        return lexicons, codes

    def together(self, lexicons: list[Lexicon | None], lines: Sequence[Sequence[Codes | None]], heights: Sequence[int]
                 ) -> tuple[Book, Codes]:
        """Values of several parts, of these lexicons, by codes of a book."""
        numbers = np.zeros((len(self.places), sum(heights)), np.int32)
        at = 0
        for line, height in zip(lines, heights, strict=True):
            for place, codes in enumerate(line):
                if codes is not None:
                    numbers[place, at : at + height] = codes
            at += height
        book = next((each for each in self.joints if each.of(lexicons)), None)
        if book is None:
            book = Joint(lexicons, self.memory)
            self.joints = [*[each for each in self.joints if each.alive][-BOOKS * 2 :], book]
        return book, book.tuples.encode(numbers, np.arange(at))

    def table(self, book: Book) -> Ids:
        """By code of the book one more than the set number, 0 where it is not known; wide enough for all codes."""
        for at, (mine, table) in enumerate(self.tables):
            if mine() is book:
                if len(table) >= len(book):
                    return table
                del self.tables[at]
                break
        else:
            table = np.array([self.blank() + 1], np.int32)
        wider = np.zeros(len(book) + len(book) // 2 + 64, np.int32)
        wider[: len(table)] = table
        self.memory.used += wider.nbytes - table.nbytes
        kept = [(mine, held) for mine, held in self.tables if mine() is not None]
        self.tables = [*kept[1 - BOOKS * (1 if self.plain else 3 + len(self.places)) :], (ref(book), wider)]
        return wider

    def learn(self, book: Book, fresh: Codes) -> None:
        """Judge values that are not known yet."""
        found: Ids | list[int]
        if isinstance(book, Lexicon):
            found = self._numbers(book, fresh)
        elif self.jury is None or any(label for _, label in self.places):
            values = [self._value(each) for each in book.texts(fresh.tolist())]
            found = [self.number(self.judge.judge(value)) + 1 for value in values]
        else:
            found = self._unions(book, fresh)
        self.table(book)[fresh] = found

    def _numbers(self, lexicon: Lexicon, codes: Codes) -> Ids:
        """As `table` has them, of values that are texts."""
        if self.jury is not None:
            return self.jury.judged(lexicon, codes, self.number) + 1
        texts = lexicon.texts
        return np.array([self.number(self.judge.judge(texts[code])) + 1 for code in codes.tolist()], np.int32)

    def _unions(self, book: Joint, codes: Codes) -> list[int]:
        """As `table` has them: what is true of any of several texts. Each of them is judged once."""
        tuples = book.tuples.held[codes]
        for place, mine in enumerate(book.lexicons):
            lexicon = mine() if mine is not None else None
            if lexicon is None:
                continue
            own = self.table(lexicon)
            fresh = np.unique(tuples[:, place])
            fresh = fresh[(fresh > 0) & (own[fresh] == 0)]
            own[fresh] = self._numbers(lexicon, fresh)
            tuples[:, place] = np.where(tuples[:, place] > 0, own[tuples[:, place]], 0)
        known: dict[tuple[int, ...], int] = {}
        out = []
        for row in map(tuple, tuples.tolist()):
            if row not in known:
                known[row] = self.number(EMPTY.union(*(self.sets[number - 1] for number in row if number))) + 1
            out.append(known[row])
        return out

    def _value(self, texts: Sequence[str | None]) -> Any:
        """What the judge takes, of the texts of all columns."""
        sides, at = [], 0
        for side in self.sides:
            own = zip(side, texts[at : at + len(side)], strict=True)
            sides.append(joined(tuple(
                f"{label}={text}" if label and text is not None else text for (_, label), text in own)))
            at += len(side)
        return sides[0] if self.key.other is None else tuple(sides)

    def elsewhere(self, rows: Rows, places: Ints) -> Ids:
        """Set numbers of some rows, whose values have no codes."""
        column = rows.frame.held.get(self.places[0][0]) if self.plain else None
        written = column.written if column is not None and self.jury is not None else None
        if column is None or self.jury is None or written is None:
            return self._elsewhere(rows, places)
        found = self.jury.spanned(written, places, self.number)
        odd = np.flatnonzero(found == OPEN)
        if len(odd):
            found[odd] = self._look(column.at(places[odd].tolist()), len(odd))
        return found

    def _elsewhere(self, rows: Rows, places: Ints) -> Ids:
        few = Rows(rows.frame.select(self.columns).pick(places))
        found = self.ids(few, len(places))
        return np.full(len(places), found, np.int32) if isinstance(found, int) else found


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
