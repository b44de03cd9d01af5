"""Lexicon: distinct values, as bytes, under small numbers (codes), so that what is known of a value can lie in arrays.

Equal codes mean equal bytes of one kind; a text may have two codes where it is written in two ways. Code 0 is nothing.
Code -1 (ELSEWHERE) is a value that is too long to be kept, or came when there was no more room: who has the record
reads it there. Codes are for remembering, within one lexicon; they are never stored or sent.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import orjson

from soc_core.native import kernels

KERNELS = "soc_core.lexicon_kernels"
Codes = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Read = Callable[[str], str | None]

LIMIT = 48 << 20  # bytes, with everything that hangs on the codes here
LONG = 1024  # bytes of a value from which on it is not kept
NOTHING, ELSEWHERE, UNKNOWN = 0, -1, -2
PLAIN, ESCAPED = 0, 1
TEXT = 110  # bytes that a code costs beside its value's own: its places here, and a text
MOST_READS = 256


def _escaped(data: bytes) -> str:
    text: str = orjson.loads(b'"' + data + b'"')
    return text


WAYS: dict[Callable[[bytes], str | None], int] = {bytes.decode: PLAIN, _escaped: ESCAPED}  # that `lower` knows
OTHERWISE = 255
READERS: tuple[Callable[[bytes], str | None], ...] = (bytes.decode, _escaped)  # by kind: UTF-8; a JSON string's inside


def view(data: bytes | Bytes) -> Bytes:
    """Bytes as the kernels take them: an array that may not be written."""
    held = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data.view()
    held.flags.writeable = False
    return held


class Lexicon:
    """Values and their codes; it only grows. When `full`, its owner lets it go and begins another.

    `readers` make a text of the bytes of each kind, and must not raise on what is given. `mask` weakens the hash, for
    tests.
    """

    def __init__(self, readers: Sequence[Callable[[bytes], str | None]] = READERS, limit: int = LIMIT,
                 long: int = LONG, mask: int = (1 << 64) - 1) -> None:
        self.limit, self.long = limit, long
        self._readers = readers
        self._lock = threading.RLock()
        self._texts: list[str | None] = [None]
        self._through: dict[Read, Codes] = {}
        self._made = 0
        self._kernels = kernels(KERNELS)
        self._known: dict[tuple[int, bytes], int] = {}  # without kernels
        self._raw: list[tuple[int, bytes]] = [(0, b"")]
        self._seed, self._mask = np.uint64(secrets.randbits(64) | 1), np.uint64(mask)
        self._slots = np.zeros(1 << 8, np.int32)
        self._hashes = np.zeros(1 << 6, np.uint64)
        self._places = np.zeros(1 << 6, np.int64)
        self._marks = np.zeros(1 << 6, np.uint8)
        self._arena = np.zeros(1 << 11, np.uint8)
        self._counts = np.array([1, 0, limit, 0], np.int64)  # as the kernel says
        self._keys = np.zeros(64, np.uint64)

    def __len__(self) -> int:
        """One more than the highest code."""
        return int(self._counts[0])

    @property
    def size(self) -> int:
        """Memory held, estimated."""
        return self._sized(int(self._counts[0]), int(self._counts[1])) + self._made

    @staticmethod
    def _sized(count: int, taken: int) -> int:
        return count * TEXT + 2 * taken

    @property
    def full(self) -> bool:
        return bool(self._counts[3]) or self.size > self.limit

    @property
    def texts(self) -> list[str | None]:
        """The texts by code; those of new codes are made now."""
        if len(self._texts) < len(self):
            with self._lock:
                self._grow_texts()
        return self._texts

    def some(self, codes: Sequence[int]) -> list[str | None]:
        """The texts of a few codes; those of others are not made."""
        known = self._texts
        if self._kernels is None or not codes or max(codes) < len(known):
            return list(map(self.texts.__getitem__, codes))
        with self._lock:
            rows, arena = np.array(codes, np.int64), self._arena.data
            spans = zip(self._places[rows].tolist(), self._places[rows + 1].tolist(), self._marks[rows].tolist(),
                        strict=True)
            return [known[code] if code < len(known) else self._readers[kind](bytes(arena[start:end]))
                    for code, (start, end, kind) in zip(codes, spans, strict=True)]

    def encode(self, data: bytes | Bytes, starts: Ints, ends: Ints, kinds: int | Bytes = PLAIN) -> Codes:
        """Codes of spans of bytes; a start below 0 is nothing. `kinds`: one for all, or one each."""
        whole = view(data)
        starts, ends = np.ascontiguousarray(starts, np.int64), np.ascontiguousarray(ends, np.int64)
        marks = np.array([kinds], np.uint8) if isinstance(kinds, int) else np.ascontiguousarray(kinds, np.uint8)
        if len(marks) not in (1, len(starts)):
            raise ValueError("a lexicon wants one kind for all values, or one for each")
        codes = np.empty(len(starts), np.int32)
        with self._lock:
            if self._kernels is None:
                self._encode_slowly(whole, starts, ends, marks, codes)
                return codes
            done = 0
            while True:
                done = self._kernels.encode(
                    whole, starts, ends, marks, codes, done, self.long, TEXT, self._seed, self._mask,
                    self._slots, self._hashes, self._places, self._marks, self._arena, self._counts, self._keys,
                )
                if done == len(starts):
                    return codes
                self._room(int(ends[done] - starts[done]))

    def codes(self, texts: Sequence[str | None]) -> Codes:
        """Codes of texts."""
        held = [None if text is None else _bytes(text) for text in texts]
        sizes = np.fromiter((len(one) if one else 0 for one in held), np.int64, len(held))
        ends = np.cumsum(sizes)
        starts = ends - sizes
        starts[[number for number, one in enumerate(held) if one is None]] = -1
        codes = self.encode(b"".join(one for one in held if one) or b" ", starts, ends)
        for number, (text, one) in enumerate(zip(texts, held, strict=True)):
            if text is not None and one is None:
                codes[number] = ELSEWHERE
        return codes

    def through(self, read: Read, codes: Codes) -> Codes:
        """Codes of what `read` makes of each value; it is asked once for each distinct one, ever. Keep `read` itself
        the same from call to call: it is what is remembered by."""
        with self._lock:
            known = self._through.get(read)
            if known is None or len(known) <= len(self):
                known = self._widened(read, known)
            found = known[codes + 1]
            new = found == UNKNOWN
            if not new.any():
                return found
            fresh = np.unique(codes[new])
            made = [None if text is None else read(text) for text in self.some(fresh.tolist())]
            known[fresh + 1] = self.codes(made)
            return known[codes + 1]

    def lowered(self, codes: Codes) -> tuple[Bytes, Ints, Ints] | None:
        """Bytes of values that are ASCII, with small letters alone, where they start and end; -1 for others.

        None where there are no kernels.
        """
        if self._kernels is None:
            return None
        ways = np.array([WAYS.get(read, OTHERWISE) for read in self._readers], np.uint8)
        return lowered(self._arena, self._places[codes], self._places[codes + 1], ways[self._marks[codes]])

    def _widened(self, read: Read, known: Codes | None) -> Codes:
        """What is known of codes plus one: nothing and elsewhere stay what they are."""
        made = np.full(2 * len(self) + 1024, UNKNOWN, np.int32)
        made[:2] = (ELSEWHERE, NOTHING)
        if known is not None:
            made[: len(known)] = known
        if read in self._through or len(self._through) < MOST_READS:
            self._made += made.nbytes - (known.nbytes if known is not None else 0)
            self._through[read] = made
        return made

    def _room(self, size: int) -> None:
        """Make room for one more value of this size."""
        count, taken = len(self), int(self._counts[1])
        if taken + size > len(self._arena):
            self._arena = _wider(self._arena, 2 * len(self._arena) + size)
        if count + 1 >= len(self._places):
            self._hashes, self._places, self._marks = (
                _wider(one, 2 * len(one)) for one in (self._hashes, self._places, self._marks))
        if 2 * count > len(self._slots):
            self._slots = np.zeros(2 * len(self._slots), np.int32)
            self._kernels.rehash(self._slots, self._hashes, count)

    def _encode_slowly(self, data: Bytes, starts: Ints, ends: Ints, marks: Bytes, codes: Codes) -> None:
        kinds = marks.tolist() if len(marks) > 1 else marks.tolist() * len(starts)
        for row, (start, end, kind) in enumerate(zip(starts.tolist(), ends.tolist(), kinds, strict=True)):
            if start < 0 or end - start > self.long:
                codes[row] = NOTHING if start < 0 else ELSEWHERE
                continue
            key = (kind, data[start:end].tobytes())
            code = self._known.get(key)
            if code is None:
                if self._sized(len(self) + 1, int(self._counts[1]) + len(key[1])) > self.limit:
                    self._counts[3] = 1
                    codes[row] = ELSEWHERE
                    continue
                code = self._known[key] = len(self._raw)
                self._raw.append(key)
                self._counts[:2] += [1, len(key[1])]
            codes[row] = code

    def _grow_texts(self) -> None:
        first, count = len(self._texts), len(self)
        if self._kernels is None:
            self._texts += [self._readers[kind](data) for kind, data in self._raw[first:count]]
            return
        places = self._places[first : count + 1].tolist()
        kinds = self._marks[first:count].tolist()
        base = places[0]
        data = self._arena[base : places[-1]].tobytes()
        spans = zip(places, places[1:], kinds, strict=False)
        if data.isascii():
            text = data.decode()
            read, readers = PLAIN, self._readers
            self._texts += [
                text[at - base : end - base] if kind == read and readers[read] is bytes.decode
                else readers[kind](data[at - base : end - base]) for at, end, kind in spans
            ]
        else:
            self._texts += [self._readers[kind](data[at - base : end - base]) for at, end, kind in spans]


class Shelf:
    """The lexicon in use: what was made with the last one keeps it, when a new one takes its place."""

    def __init__(self, readers: Sequence[Callable[[bytes], str | None]] = READERS, limit: int = LIMIT) -> None:
        self._readers, self._limit = readers, limit
        self._held: Lexicon | None = None

    @property
    def lexicon(self) -> Lexicon:
        """One that is not full. Ask once for what is to be told apart by it."""
        if self._held is None or self._held.full:
            self._held = Lexicon(self._readers, self._limit)
        return self._held


def lowered(data: Bytes, starts: Ints, ends: Ints, ways: Bytes) -> tuple[Bytes, Ints, Ints]:
    """As `Lexicon.lowered`, of spans of bytes, each PLAIN, ESCAPED or OTHERWISE; a start below 0 is nothing. Only where
    there are kernels."""
    out = np.empty(int(np.maximum(ends - starts, 0).sum()) + 16, np.uint8)
    begins, stops = np.empty(len(starts), np.int64), np.empty(len(starts), np.int64)
    kernels(KERNELS).lower(view(data), starts, ends, ways, out, begins, stops)
    return out, begins, stops


def _bytes(text: str) -> bytes | None:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a pair: it has no bytes
        return None


def _wider(held: npt.NDArray, size: int) -> npt.NDArray:  # type: ignore[type-arg]  # of any type
    made = np.zeros(size, held.dtype)
    made[: len(held)] = held
    return made
