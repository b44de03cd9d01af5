"""From a stream of bytes to records with their places: lines, or the elements of JSON documents."""

from __future__ import annotations

import codecs
import json
import re
from itertools import compress
from typing import NamedTuple, Protocol

import numpy as np

from soc_core.protocols import Ints

LINE_LIMIT = 1 << 20  # a longer record is kept whole but goes to quarantine
HOLD_LIMIT = 64 << 20  # a record without an end is cut here
TOO_LONG = "line over 1 MiB"
CUT = "line over 64 MiB, cut here"
BOM = b"\xef\xbb\xbf"


class Records(NamedTuple):
    """Records, the byte of the stream where each begins, and which are not whole (index → reason)."""

    lines: list[bytes]
    positions: Ints
    damaged: dict[int, str]


NONE = Records([], np.empty(0, dtype=np.int64), {})


class Framer(Protocol):
    """`feed` takes the next bytes, `finish` gives what is left at the end of the stream."""

    def feed(self, data: bytes) -> Records: ...
    def finish(self) -> Records: ...


class Lines:
    """Records that end with a newline: LF or CR LF is taken off, nothing else; empty lines are no records."""

    def __init__(self, at: int = 0) -> None:
        self.at = at  # where the bytes in hand begin
        self._rest: list[bytes] = []
        self._size = 0

    @property
    def waiting(self) -> int:
        """Bytes of a line that has not ended."""
        return self._size

    def feed(self, data: bytes) -> Records:
        cut = data.rfind(b"\n")
        if cut < 0:
            self._rest.append(data)
            self._size += len(data)
            return self._break() if self._size > HOLD_LIMIT else NONE
        block = b"".join([*self._rest, data[:cut]])
        self._rest, self._size = [data[cut + 1 :]], len(data) - cut - 1
        found = self._split(block)
        self.at += len(block) + 1
        return found

    def finish(self) -> Records:
        """The last line, which has no newline."""
        block = b"".join(self._rest)
        self._rest, self._size = [], 0
        found = self._split(block)
        self.at += len(block)
        return found

    def _break(self) -> Records:
        lines, positions, _ = self.finish()
        return Records(lines, positions, dict.fromkeys(range(len(lines)), CUT))

    def _split(self, block: bytes) -> Records:
        lines = block.split(b"\n")
        if self.at == 0 and lines[0].startswith(BOM):
            lines[0] = lines[0][len(BOM) :]
        lengths = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines))
        starts = np.zeros(len(lines), dtype=np.int64)
        np.cumsum(lengths[:-1] + 1, out=starts[1:])
        starts += self.at
        if self.at == 0 and block.startswith(BOM):
            starts[1:] += len(BOM)
        if b"\r" in block:
            lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
            lengths = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines))
        full = lengths > 0
        if not full.all():
            lines, starts, lengths = list(compress(lines, full)), starts[full], lengths[full]
        damaged = dict.fromkeys(np.flatnonzero(lengths > LINE_LIMIT).tolist(), TOO_LONG)
        return Records(lines, starts, damaged)


class Recoded:
    """Lines of UTF-16 text as UTF-8; places count the bytes of the UTF-8."""

    def __init__(self, codec: str) -> None:
        self._decoder = codecs.getincrementaldecoder(codec)(errors="replace")
        self._lines = Lines()

    def feed(self, data: bytes) -> Records:
        return self._lines.feed(self._decoder.decode(data).encode("utf-8", "replace"))

    def finish(self) -> Records:
        one = self._lines.feed(self._decoder.decode(b"", final=True).encode("utf-8", "replace"))
        return joined(one, self._lines.finish())


SAID = r'"(?:[^"\\]|\\.)*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[\d.eE+-]+|true|false|null)'
LISTS = r'"(?:[Rr]ecords|[Vv]alue|[Ee]vents|[Ii]tems|[Ll]ogs|[Ee]ntries|[Rr]esults|[Dd]ata)"'
ENVELOPE = rf"(\{{\s*(?:{SAID}\s*,\s*){{0,16}}{LISTS}\s*:\s*)"  # an object around the list, and what it says first


class Elements:
    """Records that are JSON values: elements of arrays (also of an envelope's "Records", "value" …), or in a row.

    Each is kept verbatim, line breaks within it included. From the first byte that is no JSON on, lines are damaged
    records.
    """

    OPENING = re.compile(ENVELOPE + r"?\[(?=\s*\{)")
    BETWEEN = re.compile(r"[\s,]*")

    def __init__(self) -> None:
        self._scan = json.JSONDecoder(strict=False).raw_decode
        self._text = ""  # bytes as Latin-1: a place in the text is a place in the bytes
        self._at = 0
        self._open = ""  # brackets that will close what is around the elements
        self._want = 0  # bytes to have before another attempt is worth it
        self._broken: Lines | None = None

    def feed(self, data: bytes) -> Records:
        if self._broken is not None:
            return self._spoiled(self._broken.feed(data))
        if self._at == 0 and not self._text:
            data = data.removeprefix(BOM)
        self._text += data.decode("latin-1")
        return self._take(final=False) if len(self._text) >= self._want else NONE

    def finish(self) -> Records:
        taken = NONE if self._broken is not None else self._take(final=True)
        return taken if self._broken is None else joined(taken, self._spoiled(self._broken.finish()))

    def _take(self, final: bool) -> Records:
        text, place = self._text, 0
        lines: list[bytes] = []
        starts: list[int] = []
        while True:
            place = self._skip(text, place)
            if place >= len(text) or self._open == "}":  # the envelope's end is not all there
                break
            try:
                _, end = self._scan(text, place)
            except (ValueError, RecursionError):
                break
            if end == len(text) and not final:
                break  # a number or a word may go on
            lines.append(text[place:end].encode("latin-1"))
            starts.append(self._at + place)
            place = end
        self._text, self._at = text[place:], self._at + place
        self._want = 2 * len(self._text)
        damaged = {n: TOO_LONG for n, line in enumerate(lines) if len(line) > LINE_LIMIT}
        found = Records(lines, np.array(starts, dtype=np.int64), damaged)
        if self._text.strip(" \t\r\n,") and (final or len(self._text) > HOLD_LIMIT):
            self._broken = Lines(self._at)
            return joined(found, self._spoiled(self._broken.feed(self._text.encode("latin-1"))))
        return found

    def _skip(self, text: str, place: int) -> int:
        """Past commas, blanks and the brackets around the elements."""
        while True:
            match = self.BETWEEN.match(text, place)
            place = match.end() if match else place
            if self._open == "}":
                try:  # what the envelope says after its list
                    place += self._scan("{" + text[place:])[1] - 1
                except (ValueError, RecursionError):
                    return place
                self._open = ""
            elif self._open and text.startswith(self._open[0], place):
                self._open, place = self._open[1:], place + 1
            elif not self._open and (match := self.OPENING.match(text, place)):
                self._open, place = "]}" if match[1] else "]", match.end()
            else:
                return place

    def _spoiled(self, found: Records) -> Records:
        return found._replace(damaged=dict.fromkeys(range(len(found.lines)), "not JSON from here on"))


def joined(one: Records, two: Records) -> Records:
    if not two.lines:
        return one
    damaged = one.damaged | {index + len(one.lines): reason for index, reason in two.damaged.items()}
    return Records(one.lines + two.lines, np.concatenate([one.positions, two.positions]), damaged)
