"""event.id: source, position in it and n-th event, in one fixed-width text of 32 hexadecimal digits.

    0123456789abcdef 00000001a2b3 0000
    hash of source   position     n

The position is kept readable on purpose: a store that knows the highest position it holds of a source can tell a
new event from a possible duplicate without looking for it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from soc_core import arrow_texts
from soc_core.protocols import Ints

Keys = npt.NDArray[np.uint64]
POSITION_LIMIT = 1 << 48
NTH_LIMIT = 1 << 16
WIDTH = 32  # digits


class Identity(NamedTuple):
    """An id taken apart: the 16 digits of the source, its position, the n-th event."""

    source: str
    position: int
    nth: int


@lru_cache(maxsize=65536)
def source_key(source: str) -> str:
    """The 16 hexadecimal digits that stand for a source id."""
    return hashlib.blake2b(source.encode(), digest_size=8).hexdigest()


def source_number(source: str) -> np.uint64:
    """The same as a number."""
    return np.uint64(int(source_key(source), 16))


def journal_source(epoch: str, partition: int) -> str:
    """The source id of records whose source has no position of its own: the journal partition itself."""
    return f"journal:{epoch}:{partition}"


def event_ids(keys: Keys, positions: Ints, nth: Ints) -> pl.Series:
    """Ids of the events at these positions; `keys` from source_number, one for each event.

    Raises ValueError when a position or n does not fit its digits.
    """
    check(positions, nth)
    packed = np.empty((len(positions), 2), dtype=">u8")
    packed[:, 0] = keys
    packed[:, 1] = (positions.astype(np.uint64) << np.uint64(16)) | nth.astype(np.uint64)
    text = np.frombuffer(packed.tobytes().hex().encode() or b" ", np.uint8)
    return arrow_texts.texts(text, np.arange(0, WIDTH * len(positions) + 1, WIDTH)).alias("event.id")


def check(positions: Ints, nth: Ints) -> None:
    """Raise ValueError when a position or n does not fit its digits."""
    if len(positions) and (int(positions.max()) >= POSITION_LIMIT or int(nth.max()) >= NTH_LIMIT):
        raise ValueError("position or event number out of range")


def split(event_id: str) -> Identity | None:
    """Take an id apart; None when it was not made here."""
    if len(event_id) != 32:
        return None
    try:
        return Identity(event_id[:16], int(event_id[16:28], 16), int(event_id[28:], 16))
    except ValueError:
        return None
