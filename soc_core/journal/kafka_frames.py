"""One Kafka message for each record: the record's bytes as they are in the value, what is known of it in the key.

    kind 1 · position 8 · [reason length 2 · reason] · received 8 · origin JSON

Little endian. The kind says whether there are a position and a reason (of a damaged record). A record's number in
the journal is so its message's offset, given by the broker: exact and without gaps, whoever else appends. Equal keys
side by side cost almost nothing, as the producer compresses whole batches.

A message that another program wrote into the topic (no key, or another) is a record of the source `kafka:TOPIC`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from operator import ne
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from soc_core.journal.frames import origin_bytes, origin_of
from soc_core.protocols import Frame, Ints, Origin, Raws

PLAIN, PLACED, DAMAGED = 0x10, 0x01, 0x02
KINDS = frozenset(PLAIN | extra for extra in range(4))
WHOLE = frozenset({PLAIN, PLAIN | PLACED})
PLACE = struct.Struct("<Bq")
REASON = struct.Struct("<H")
RECEIVED = struct.Struct("<q")
SHORTEST = PLACE.size + RECEIVED.size
FOREIGN = b""


class Known(NamedTuple):
    """A key taken apart. `common` is what the records of one frame share; FOREIGN when the key is not ours."""

    common: bytes
    placed: bool
    position: int
    reason: str | None


def keys(raws: Raws) -> list[bytes]:
    """The key of each record of a batch."""
    common = RECEIVED.pack(raws.received) + origin_bytes(raws.origin)
    if raws.positions is None:
        made = [PLACE.pack(PLAIN, 0) + common] * len(raws.lines)
    else:
        kind = bytes([PLAIN | PLACED])
        places = raws.positions.astype("<i8").tobytes()
        made = [kind + places[at : at + 8] + common for at in range(0, len(places), 8)]
    for index, reason in raws.damaged.items():
        told = reason.encode()[:65535]
        key = made[index]
        made[index] = bytes([key[0] | DAMAGED]) + key[1 : PLACE.size] + REASON.pack(len(told)) + told + common
    return made


def known(key: bytes | None) -> Known:
    """What a key says."""
    if key is None or len(key) < SHORTEST or key[0] not in KINDS:
        return Known(FOREIGN, False, -1, None)
    kind, position = PLACE.unpack_from(key)
    at, reason = PLACE.size, None
    if kind & DAMAGED:
        start = at + REASON.size
        at = start + REASON.unpack_from(key, at)[0]
        reason = key[start:at].decode(errors="replace")
    common = key[at:]
    if len(common) < RECEIVED.size:
        return Known(FOREIGN, False, -1, None)
    return Known(common, bool(kind & PLACED), position if kind & PLACED else -1, reason)


def origin_in(common: bytes) -> Origin | None:
    """The origin that records share, None where it cannot be read (the message is another program's)."""
    try:
        return origin_of(common[RECEIVED.size :])
    except ValidationError:
        return None


def frames(messages: Sequence[Any], topic: str, partition: int) -> list[Frame]:
    """Messages as frames: neighbours of one origin and one moment together, numbers contiguous, places ascending."""
    if not messages:
        return []
    found_keys = [message.key() for message in messages]
    heads = _columns(found_keys) or _apart(found_keys)
    offsets = np.array([message.offset() for message in messages], dtype=np.int64)
    found = []
    for start, stop in heads.runs(offsets):
        lines = [message.value() or b"" for message in messages[start:stop]]
        common = heads.common[start]
        origin = origin_in(common) if common else None
        if origin is None:
            stamp = max(0, messages[start].timestamp()[1]) * 1000
            raws = Raws(Origin(source=f"kafka:{topic}"), lines, stamp)
        else:
            places = heads.positions[start:stop] if heads.placed[start] else None
            damaged = {at - start: reason for at, reason in heads.reasons.items() if start <= at < stop}
            raws = Raws(origin, lines, RECEIVED.unpack_from(common)[0], places, damaged)
        found.append(Frame(partition, int(offsets[start]), raws))
    return found


class Heads(NamedTuple):
    """The keys of many messages as columns; `reasons` of those that are damaged."""

    common: list[bytes]
    placed: npt.NDArray[np.bool_]
    positions: Ints
    reasons: dict[int, str]

    def runs(self, offsets: Ints) -> Iterator[tuple[int, int]]:
        """Where frames begin and end."""
        breaks = (np.diff(offsets) != 1) | (np.diff(self.positions) < 0) | (self.placed[1:] != self.placed[:-1])
        breaks |= np.fromiter(map(ne, self.common, islice(self.common, 1, None)), dtype=bool, count=len(breaks))
        edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(self.common)]
        return pairwise(edges)


def _columns(found: Sequence[bytes | None]) -> Heads | None:
    """Keys as columns, all at once: the way of nearly all. None when one of them is damaged or not ours."""
    if not all(key and key[0] in WHOLE and len(key) >= SHORTEST for key in found):
        return None
    ours: Sequence[bytes] = found  # type: ignore[assignment]  # none is None, as was just seen
    heads = np.frombuffer(b"".join([key[: PLACE.size] for key in ours]), dtype=[("kind", "u1"), ("place", "<i8")])
    placed = heads["kind"] == PLAIN | PLACED
    return Heads([key[PLACE.size :] for key in ours], placed, np.where(placed, heads["place"], -1), {})


def _apart(found: Sequence[bytes | None]) -> Heads:
    """The same, key by key."""
    heads = [known(key) for key in found]
    return Heads(
        [head.common for head in heads], np.array([head.placed for head in heads]),
        np.array([head.position for head in heads], dtype=np.int64),
        {at: head.reason for at, head in enumerate(heads) if head.reason is not None},
    )
