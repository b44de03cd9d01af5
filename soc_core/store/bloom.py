"""Bloom filters beside a segment: which addresses, accounts and file hashes it may hold.

Split blocks of 256 bits as in Parquet (https://github.com/apache/parquet-format/blob/master/BloomFilter.md): one
read of 32 bytes judges one value. Values are lower-case text; addresses in their canonical form. About 0.1 % of
the absent values pass.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

ADDRESSES = ("source.ip", "destination.ip", "host.ip", "related.ip")
USERS = ("user.name", "related.user")
BITS_A_VALUE = 16
BLOCK = 32  # bytes
SALTS = np.array(
    [0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31], dtype=np.uint32
)
Directory = dict[str, tuple[int, int]]  # group → (first byte, blocks)


def group(field: str) -> str:
    """The filter that a column belongs to; "" for none."""
    if field in ADDRESSES:
        return "address"
    if field in USERS:
        return "user"
    return "hash" if ".hash." in field else ""


def canonical(value: str) -> str:
    """The form in which a value is put in and asked for."""
    value = value.lower()
    if ":" not in value:
        return value
    try:
        return str(ip_address(value))
    except ValueError:
        return value


@lru_cache(maxsize=4096)
def digest(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def build(frame: pl.DataFrame) -> tuple[bytes, Directory]:
    """The filters of a frame as bytes, and where each begins. A group without values has a filter without blocks."""
    members: dict[str, set[str]] = {"address": set(), "user": set(), "hash": set()}
    for column in frame.iter_columns():
        name = group(column.name)
        if name:
            flat = column.explode() if isinstance(column.dtype, pl.List) else column
            members[name].update(map(canonical, flat.unique().drop_nulls().cast(pl.String).to_list()))
    body, directory = b"", {}
    for name, values in members.items():
        blocks = _blocks(values)
        directory[name] = (len(body), len(blocks))
        body += blocks.tobytes()
    return body, directory


def _blocks(values: Iterable[str]) -> npt.NDArray[np.uint32]:
    plain = (hashlib.blake2b(v.encode("utf-8", "surrogatepass"), digest_size=8).digest() for v in values)
    hashes = np.frombuffer(b"".join(plain), dtype="<u8")
    count = -(-len(hashes) * BITS_A_VALUE // 256)
    blocks = np.zeros((count, 8), dtype="<u4")
    if count:
        place = ((hashes >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)
        for word, bit in enumerate(_bits(hashes.astype(np.uint32)).T):
            np.bitwise_or.at(blocks[:, word], place, np.uint32(1) << bit)
    return blocks


def _bits(low: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The bit to set in each of a block's eight words, a row a hash."""
    return np.asarray((low[:, None] * SALTS[None, :]) >> np.uint32(27), dtype=np.uint32)


def may_hold(path: Path, directory: Directory, field: str, value: str) -> bool:
    """False only when the segment surely has no such value in the columns of the field's group."""
    first, count = directory[group(field)]
    if not count:
        return False
    hashed = digest(canonical(value))
    at = first + ((hashed >> 32) * count >> 32) * BLOCK
    handle = os.open(path, os.O_RDONLY)
    try:
        block = np.frombuffer(os.pread(handle, BLOCK, at), dtype="<u4")
    finally:
        os.close(handle)
    bits = _bits(np.array([hashed & 0xFFFFFFFF], dtype=np.uint32))[0]
    return bool(np.all(block >> bits & np.uint32(1)))
