"""Many patterns in one pass over a text: Hyperscan where it is built, google-re2 elsewhere, with equal results.

Both are automata: the cost is linear in the text whatever it holds. Patterns and texts are UTF-8 bytes. Classes such
as \\d, \\s and \\w mean ASCII, `$` also stands before a final line feed (PCRE's default), case folds as in Unicode.
In multi-line mode a line begins after every line feed, the last one, too: there the two differ, so google-re2 judges.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import orjson
import polars as pl
import re2

from detections.sigma import cache
from soc_core.table import Column

hyperscan: Any
try:
    hyperscan = importlib.import_module("hyperscan")
except ImportError:  # no build for this machine (ARM): google-re2 does the same, slower
    hyperscan = None

EngineName = Literal["auto", "hyperscan", "re2"]
CHUNK = 256  # patterns in one re2 set
SET_MEMORY = 16 << 20
MEMORY = 64 << 20
NUL = "\0"
INLINE = re.compile(r"\(\?[a-zA-Z]*m")  # flags within an expression


class Scanner(Protocol):
    """Finds which patterns occur in a text."""

    def scan(self, data: bytes) -> Sequence[int]: ...


class Expression:
    """A regular expression with its Sigma flags; raises ValueError when neither engine can run it."""

    __slots__ = ("flags", "text")

    def __init__(self, text: str, flags: str) -> None:
        self.text, self.flags = text, flags
        compile_re2(text, flags)  # whatever Hyperscan takes or not, the other engine must be able to run it


def compile_re2(text: str, flags: str) -> Any:
    """A google-re2 expression. Raises ValueError with its reason."""
    try:
        return re2.compile(for_re2(text, flags).encode(), _options())
    except re2.error as error:
        reason = error.args[0]
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise ValueError(f"regular expression {text!r} cannot run in linear time: {reason}") from None


def _options(memory: int = MEMORY) -> Any:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.encoding = re2.Options.Encoding.UTF8
    return options


def for_re2(text: str, flags: str) -> str:
    """The expression with its flags in front, and `$` as PCRE reads it outside multi-line mode."""
    if not _by_lines(text, flags):
        text = _ends(text)
    return f"(?{flags}){text}" if flags else text


def _by_lines(text: str, flags: str) -> bool:
    """Whether ^ and $ stand at lines, by a flag or within the expression."""
    return "m" in flags or INLINE.search(text) is not None


def _ends(text: str) -> str:
    """Replace each `$` that is an anchor by `\\n?\\z` in a group."""
    out, in_class, at = [], False, 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            out.append(text[at : at + 2])
            at += 2
            continue
        if char == "[" and not in_class:
            in_class = True
            out.append(char)
            if text[at + 1 : at + 2] in ("]", "^"):  # a bracket in first place is itself
                step = 2 if text[at + 1 : at + 3] == "^]" else 1
                out.append(text[at + 1 : at + 1 + step])
                at += step
        else:
            in_class = in_class and char != "]"
            out.append(r"(?:\n?\z)" if char == "$" and not in_class else char)
        at += 1
    return "".join(out)


class HyperscanScanner:
    """One Hyperscan database, serialised in the cache folder by its patterns."""

    def __init__(self, patterns: Sequence[bytes], flags: int | Sequence[int], literal: bool, folder: Path | None):
        both = repr(flags).encode()
        version = hyperscan.__version__.encode()
        path = folder / f"hs-{cache.digest(version, both, str(literal).encode(), *patterns)}.db" if folder else None
        self.database = self._load(path) or self._compile(patterns, flags, literal, path)
        self.database.scratch = hyperscan.Scratch(self.database)
        self.found: list[int] = []

    @staticmethod
    def _load(path: Path | None) -> Any:
        data = cache.read(path) if path else None
        if not data:
            return None
        try:
            return hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)
        except hyperscan.HyperscanError:  # made for another processor, or cut short: made anew
            return None

    @staticmethod
    def _compile(patterns: Sequence[bytes], flags: int | Sequence[int], literal: bool, path: Path | None) -> Any:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(expressions=list(patterns), ids=list(range(len(patterns))), flags=flags, literal=literal)
        if path:
            cache.write(path, hyperscan.dumpb(database))
        return database

    def _hit(self, number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
        self.found.append(number)

    def scan(self, data: bytes) -> Sequence[int]:
        self.found = []
        self.database.scan(data, match_event_handler=self._hit)
        return self.found


class Spotter(Protocol):
    """Finds which rows of a text column may hold one of its literals, without case: never too few."""

    def rows(self, column: Column) -> Collection[int]: ...
    def among(self, texts: Sequence[bytes]) -> Collection[int]: ...


ABREAST = 48  # texts scanned together: records of a few KiB that still lie in the processor's cache
LATIN = ("\u212a", "\u017f")  # the characters beyond ASCII that fold to a Latin letter: k and s


class HyperscanSpotter(HyperscanScanner):
    """Texts side by side in one scan; where a literal ends says which text it stands in."""

    def __init__(self, texts: Sequence[str], folder: Path | None) -> None:
        patterns = [text.encode() for text in (*texts, *LATIN)]
        super().__init__(patterns, hyperscan.HS_FLAG_CASELESS, True, folder)

    def _hit(self, _number: int, _start: int, end: int, _flags: int, _context: object) -> None:
        self.found.append(end)

    def rows(self, column: Column) -> Collection[int]:
        out: set[int] = set()
        for start, data, sizes in _abreast(column):
            out.update(start + place for place in self._places(data, sizes))
        return out

    def among(self, texts: Sequence[bytes]) -> Collection[int]:
        """Of texts in UTF-8."""
        out: set[int] = set()
        for start in range(0, len(texts), ABREAST):
            some = texts[start : start + ABREAST]
            out.update(start + place for place in self._places(b"\n".join(some), partial(_sizes, some)))
        return out

    def _places(self, data: bytes, sizes: Callable[[], list[int]]) -> list[int]:
        ends = self.scan(data)
        if not ends:
            return []
        found: list[int] = np.searchsorted(np.cumsum(np.array(sizes(), np.int64) + 1), ends, side="left").tolist()
        return found


def _abreast(column: Column) -> Iterator[tuple[int, bytes, Callable[[], list[int]]]]:
    """(first row, texts side by side in UTF-8, their sizes) of some rows at a time, from whatever form is there."""
    held: pl.Series | None = None
    for start in range(0, column.height, ABREAST):
        some: Any = column.raw[start : start + ABREAST] if column.raw is not None else None
        data = None if some is None else utf8(b"\n".join(some))
        if data is None and column.raw is None and not column.made:
            some = [(text or "") for text in column.texts[start : start + ABREAST]]
            data = "\n".join(some).encode("utf-8", "replace")
        elif data is None:
            held = column.series.cast(pl.Binary) if held is None else held
            some = [text or b"" for text in held.slice(start, ABREAST).to_list()]
            data = b"\n".join(some)
        yield start, data, partial(_sizes, some)


def utf8(data: bytes) -> bytes | None:
    """The bytes if they are UTF-8."""
    try:
        return data if data.isascii() or data.decode() is not None else None
    except UnicodeDecodeError:  # of another encoding: the column knows which
        return None


def _sizes(texts: Sequence[str] | Sequence[bytes]) -> list[int]:
    return [len(text if isinstance(text, bytes) else text.encode("utf-8", "replace")) for text in texts]


class EverySpotter:
    """Without Hyperscan each text is looked at by itself."""

    def rows(self, column: Column) -> Collection[int]:
        return range(column.height)

    def among(self, texts: Sequence[bytes]) -> Collection[int]:
        """All of them."""
        return range(len(texts))


class Re2Scanner:
    """Sets of google-re2 expressions; each reports all its patterns that occur.

    A set's automaton forgets its states when its memory is used up and goes on, so a small one only costs time.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.sets: list[tuple[int, Any]] = []
        self.single: list[tuple[int, Any]] = []
        for start in range(0, len(patterns), CHUNK):
            self._add(start, patterns[start : start + CHUNK])

    def _add(self, start: int, patterns: Sequence[str]) -> None:
        group = re2.Set.SearchSet(_options(SET_MEMORY))
        try:
            for pattern in patterns:
                group.Add(pattern.encode())
            group.Compile()
        except re2.error:  # too large together: by halves
            if len(patterns) == 1:
                self.single.append((start, re2.compile(patterns[0].encode(), _options())))
                return
            middle = len(patterns) // 2
            self._add(start, patterns[:middle])
            self._add(start + middle, patterns[middle:])
            return
        self.sets.append((start, group))

    def scan(self, data: bytes) -> Sequence[int]:
        out = [start + number for start, group in self.sets for number in group.Match(data) or ()]
        return out + [number for number, expression in self.single if expression.search(data)]


class Both:
    """Hyperscan for most, google-re2 for the few that it does not take."""

    def __init__(self, parts: Sequence[tuple[Scanner, Sequence[int]]]) -> None:
        self.parts = parts

    def scan(self, data: bytes) -> Sequence[int]:
        return [numbers[n] for scanner, numbers in self.parts for n in scanner.scan(data)]


def available(engine: EngineName) -> bool:
    """Whether this means Hyperscan. Raises ValueError when Hyperscan is asked for and not there."""
    if engine == "hyperscan" and hyperscan is None:
        raise ValueError("Hyperscan is not built for this machine; use the engine re2")
    return engine != "re2" and hyperscan is not None


def literals(texts: Sequence[str], engine: EngineName, folder: Path | None) -> Scanner:
    """Finds plain texts anywhere."""
    if not available(engine):
        return Re2Scanner([re2.escape(text) for text in texts])
    odd = [number for number, text in enumerate(texts) if NUL in text]  # Hyperscan takes a literal to end there
    easy = [number for number, text in enumerate(texts) if NUL not in text]
    parts: list[tuple[Scanner, Sequence[int]]] = []
    if easy:
        plain = [texts[number].encode() for number in easy]
        parts.append((HyperscanScanner(plain, hyperscan.HS_FLAG_SINGLEMATCH, True, folder), easy))
    if odd:
        parts.append((Re2Scanner([re2.escape(texts[number]) for number in odd]), odd))
    return parts[0][0] if len(parts) == 1 else Both(parts)


def spotter(texts: Sequence[str], engine: EngineName, folder: Path | None) -> Spotter:
    """Finds which texts may hold one of these ASCII literals."""
    return HyperscanSpotter(texts, folder) if available(engine) else EverySpotter()


def expressions(items: Sequence[Expression], engine: EngineName, folder: Path | None) -> Scanner:
    """Finds regular expressions anywhere."""
    if not available(engine):
        return Re2Scanner([for_re2(item.text, item.flags) for item in items])
    hard = _hard(items, folder)
    easy = [number for number in range(len(items)) if number not in hard]
    parts: list[tuple[Scanner, Sequence[int]]] = []
    if easy:
        patterns = [_written(items[n]) for n in easy]
        parts.append((HyperscanScanner(patterns, [_flags(items[n]) for n in easy], False, folder), easy))
    if hard:
        parts.append((Re2Scanner([for_re2(items[n].text, items[n].flags) for n in hard]), hard))
    return parts[0][0] if len(parts) == 1 and len(parts[0][1]) == len(items) else Both(parts)


def _hard(items: Sequence[Expression], folder: Path | None) -> list[int]:
    """Numbers of the expressions that Hyperscan does not take; remembered, since trying each is slow."""
    key = cache.digest(hyperscan.__version__.encode(), b"lines", *(f"{i.flags}/{i.text}".encode() for i in items))
    path = folder / f"hard-{key}.json" if folder else None
    known = cache.read(path) if path else None
    if known:
        return [int(number) for number in orjson.loads(known)]
    hard = [number for number, item in enumerate(items) if _by_lines(item.text, item.flags) or not _compiles(item)]
    if path:
        cache.write(path, orjson.dumps(hard))
    return hard


def _written(item: Expression) -> bytes:
    return item.text.replace(NUL, "\\x00").encode()


def _flags(item: Expression) -> int:
    flags: int = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_ALLOWEMPTY | hyperscan.HS_FLAG_SINGLEMATCH
    extra = {"i": hyperscan.HS_FLAG_CASELESS, "m": hyperscan.HS_FLAG_MULTILINE, "s": hyperscan.HS_FLAG_DOTALL}
    for flag in item.flags:
        flags |= extra[flag]
    return flags


def _compiles(item: Expression) -> bool:
    try:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(expressions=[_written(item)], ids=[0], flags=[_flags(item)])
    except hyperscan.HyperscanError:
        return False
    return True
