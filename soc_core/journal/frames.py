"""One frame of the file journal: many records of one source in one write, found and checked without their bytes.

    marker 8 · head crc 4 · origin length 4 · body length 4 · body crc 4 · first 8 · count 4 · extra length 4 ·
    received 8 · low 8 · top 8 · origin JSON · body

    body: extra JSON (damaged records) · positions (u4 above `low`, or i8) · lengths (u4) · the records' bytes

Little endian. `top` is the highest position, -1 without positions. The marker is drawn from the journal's secret
epoch: nobody who can only send log lines can write bytes that look like a frame. A frame of no records is the head
of a segment and holds the highest position of each source so far. Checksums are CRC-32 (zlib's).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import orjson

from soc_core.clock import Micros
from soc_core.protocols import Origin, Raws

FIXED = struct.Struct("<8sIIIIQIIqqq")
CHECKED = 12  # the head's checksum covers the head from here on, and the origin
WINDOW = 1 << 16  # bytes read at once when only heads are wanted
FRAME_BYTES = 16 << 20  # larger batches are cut into several frames
FRAME_RECORDS = 1 << 20


class Head(NamedTuple):
    """What is known of a frame before its body is read; `at` … `end` are its place in the segment file."""

    at: int
    end: int
    first: int
    records: int
    received: Micros
    low: int
    top: int
    origin: bytes
    extra: int
    body_at: int
    body_crc: int

    @property
    def next(self) -> int:
        """The number of the record after this frame."""
        return self.first + self.records


class Damaged(ValueError):
    """The body of a frame is not what was written."""


@lru_cache(maxsize=65536)
def origin_bytes(origin: Origin) -> bytes:
    data = origin.model_dump_json(exclude_defaults=True).encode()
    if len(data) > WINDOW // 2:
        raise ValueError(f"a source id of {len(data)} bytes is too long: {origin.source[:40]}…")
    return data


@lru_cache(maxsize=65536)
def origin_of(data: bytes) -> Origin:
    return Origin.model_validate_json(data)


def cut(raws: Raws) -> Iterator[Raws]:
    """The batch in pieces that are small enough for one frame each. Raises ValueError on a batch that is not whole."""
    lines, positions = raws.lines, raws.positions
    if positions is not None:
        if len(positions) != len(lines):
            raise ValueError(f"{len(lines)} records with {len(positions)} positions ({raws.origin.source})")
        if len(positions) and (int(positions[0]) < 0 or bool((np.diff(positions) < 0).any())):
            raise ValueError(f"positions must ascend from 0 ({raws.origin.source})")
    if raws.damaged and not all(0 <= index < len(lines) for index in raws.damaged):
        raise ValueError(f"a damaged record is not among the records ({raws.origin.source})")
    total = sum(map(len, lines))
    if total <= FRAME_BYTES and len(lines) <= FRAME_RECORDS:
        yield raws
        return
    start = size = 0
    for index, line in enumerate(lines):
        if index > start and (size + len(line) > FRAME_BYTES or index - start >= FRAME_RECORDS):
            yield part(raws, start, index)
            start, size = index, 0
        size += len(line)
    yield part(raws, start, len(lines))


def part(raws: Raws, start: int, stop: int) -> Raws:
    """Records start … stop - 1 of a batch."""
    return Raws(
        raws.origin,
        raws.lines[start:stop],
        raws.received,
        None if raws.positions is None else raws.positions[start:stop],
        {index - start: reason for index, reason in raws.damaged.items() if start <= index < stop},
    )


def encode(raws: Raws, first: int, marker: bytes) -> bytes:
    """The frame of one batch whose first record has the number `first`."""
    count = len(raws.lines)
    extra = orjson.dumps(raws.damaged, option=orjson.OPT_NON_STR_KEYS) if raws.damaged else b""
    lengths = np.fromiter(map(len, raws.lines), dtype="<u4", count=count)
    low, top, places = 0, -1, b""
    if raws.positions is not None and count:
        low, top = int(raws.positions[0]), int(raws.positions[-1])
        above = raws.positions.astype(np.int64) - low
        places = above.astype("<u4" if top - low < 1 << 32 else "<i8").tobytes()
    body = b"".join([extra, places, lengths.tobytes(), *raws.lines])
    return _frame(marker, origin_bytes(raws.origin), body, first, count, len(extra), raws.received, low, top)


def encode_tails(tails: dict[str, int], first: int, marker: bytes) -> bytes:
    """The head of a segment: the highest position of each source in all records before `first`."""
    return _frame(marker, b"", orjson.dumps(tails), first, 0, 0, 0, 0, -1)


def _frame(marker: bytes, origin: bytes, body: bytes, first: int, count: int, extra: int, *rest: int) -> bytes:
    fields = (len(origin), len(body), zlib.crc32(body), first, count, extra, *rest)
    head = FIXED.pack(marker, 0, *fields)
    crc = zlib.crc32(origin, zlib.crc32(head[CHECKED:]))
    return b"".join([head[:8], crc.to_bytes(4, "little"), head[CHECKED:], origin, body])


def scan(fd: int, marker: bytes, at: int, bound: int) -> Iterator[Head]:
    """Heads of the frames between two places of a file, bodies skipped.

    Bytes that are no frame are passed over up to the next frame (its `first` then shows what is missing). Ends
    before a frame that is not whole within `bound`.
    """
    base, window = at, b""
    while at + FIXED.size <= bound:
        if at + FIXED.size > base + len(window):
            base, window = at, os.pread(fd, min(WINDOW, bound - at), at)
        head = _head(window, at - base, at, marker)
        if head is None and base != at:  # the origin may run over the window's edge
            base, window = at, os.pread(fd, min(WINDOW, bound - at), at)
            head = _head(window, 0, at, marker)
        if head is None:
            found = _resync(fd, marker, at + 1, bound)
            if found is None:
                return
            at = found
        elif head.end > bound:
            return
        else:
            yield head
            at = head.end


def _head(window: bytes, offset: int, at: int, marker: bytes) -> Head | None:
    if not window.startswith(marker, offset) or offset + FIXED.size > len(window):
        return None
    fields = FIXED.unpack_from(window, offset)
    _, crc, origin_size, body_size, body_crc, first, count, extra, received, low, top = fields
    origin_at = offset + FIXED.size
    origin = window[origin_at : origin_at + origin_size]
    if len(origin) != origin_size or zlib.crc32(origin, zlib.crc32(window[offset + CHECKED : origin_at])) != crc:
        return None
    body_at = at + FIXED.size + origin_size
    return Head(at, body_at + body_size, first, count, received, low, top, origin, extra, body_at, body_crc)


def _resync(fd: int, marker: bytes, at: int, bound: int) -> int | None:
    """The place of the next head that is sound, at or after `at`."""
    while at + FIXED.size <= bound:
        window = os.pread(fd, min(16 * WINDOW, bound - at), at)
        place = window.find(marker)
        while place >= 0:
            if _head(os.pread(fd, WINDOW, at + place), 0, at + place, marker) is not None:
                return at + place
            place = window.find(marker, place + 1)
        if len(window) < 16 * WINDOW:
            return None
        at += len(window) - len(marker) + 1
    return None


def body(fd: int, head: Head) -> bytes:
    """The body, checked. Raises Damaged."""
    data = os.pread(fd, head.end - head.body_at, head.body_at)
    if len(data) != head.end - head.body_at or zlib.crc32(data) != head.body_crc:
        raise Damaged(f"journal frame at byte {head.at} does not match its checksum")
    return data


def decode(head: Head, data: bytes) -> Raws:
    """The batch that was written."""
    count, at = head.records, head.extra
    damaged = {int(index): reason for index, reason in orjson.loads(data[:at]).items()} if at else {}
    positions = None
    if head.top >= 0:
        kind = np.dtype("<u4" if head.top - head.low < 1 << 32 else "<i8")
        positions = np.frombuffer(data, kind, count, at).astype(np.int64) + head.low
        at += kind.itemsize * count
    edges = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.frombuffer(data, "<u4", count, at), out=edges[1:])
    places = (edges + at + 4 * count).tolist()
    lines = [data[a:b] for a, b in pairwise(places)]
    return Raws(origin_of(head.origin), lines, head.received, positions, damaged)


def lost(origin: Origin, received: Micros, count: int, reason: str) -> Raws:
    """What stands for records that can no longer be read, so that each of them still gets its fate (quarantine)."""
    lines: Sequence[bytes] = [b""] * count
    return Raws(origin, lines, received, None, dict.fromkeys(range(count), reason))
