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
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from soc_core.journal.frames import origin_bytes, origin_of
from soc_core.protocols import Frame, Origin, Raws

PLAIN, PLACED, DAMAGED = 0x10, 0x01, 0x02
KINDS = frozenset(PLAIN | extra for extra in range(4))
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
    heads = [known(message.key()) for message in messages]
    offsets = [message.offset() for message in messages]
    found = []
    for start, stop in _runs(heads, offsets):
        lines = [message.value() or b"" for message in messages[start:stop]]
        head = heads[start]
        origin = origin_in(head.common) if head.common else None
        if origin is None:
            stamp = max(0, messages[start].timestamp()[1]) * 1000
            raws = Raws(Origin(source=f"kafka:{topic}"), lines, stamp)
        else:
            places = np.array([each.position for each in heads[start:stop]], dtype=np.int64) if head.placed else None
            damaged = {n: each.reason for n, each in enumerate(heads[start:stop]) if each.reason is not None}
            raws = Raws(origin, lines, RECEIVED.unpack_from(head.common)[0], places, damaged)
        found.append(Frame(partition, offsets[start], raws))
    return found


def _runs(heads: Sequence[Known], offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where frames begin and end."""
    start = 0
    for index in range(1, len(heads)):
        last, head = heads[index - 1], heads[index]
        if (
            head.common != last.common
            or head.placed != last.placed
            or head.position < last.position
            or offsets[index] != offsets[index - 1] + 1
        ):
            yield start, index
            start = index
    if heads:
        yield start, len(heads)
