"""Longest-prefix match on columns: who holds an address in a collector zone at a moment.

Private ranges overlap between agencies and owners change, so the key is (zone, address, time). Each zone is cut
at the moments when something changes; between two cuts its networks become one sorted array of disjoint spans,
and a lookup is one binary search for the whole column.
"""

from __future__ import annotations

import ipaddress
import socket
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from soc_core.clock import Micros
from soc_core.protocols import Ints

ALWAYS = (-(1 << 62), 1 << 62)


class Span(NamedTuple):
    """Addresses first … last (as integers) of one family belong to `owner` during [since, until) microseconds."""

    version: int
    first: int
    last: int
    owner: int
    since: Micros
    until: Micros


def span(cidr: str, owner: int, since: Micros, until: Micros) -> Span:
    """The span of a CIDR. Raises ValueError when it is none (host bits set included)."""
    address, _, length = cidr.partition("/")
    try:  # the common case, without objects: a city has tens of thousands
        first, bits = int.from_bytes(socket.inet_pton(socket.AF_INET, address)), 32 - int(length or 32)
        if 0 <= bits <= 32 and not first & ((1 << bits) - 1):
            return Span(4, first, first + (1 << bits) - 1, owner, since, until)
    except (OSError, ValueError):
        pass  # IPv6, or an error that ipaddress words better
    network = ipaddress.ip_network(cidr)
    return Span(network.version, int(network[0]), int(network[-1]), owner, since, until)


class Zone:
    """The networks of one collector zone. Lookups give owner codes, -1 where nobody is known."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        cuts = {moment for item in spans for moment in (item.since, item.until)} - set(ALWAYS)
        self._cuts = np.array(sorted(cuts), dtype=np.int64)
        self._four: dict[int, tuple[Ints, Ints]] = {}
        self._six: dict[int, tuple[list[int], list[int]]] = {}

    def find(self, addresses: pl.Series, at: Ints) -> Ints:
        """Owner codes of a text column; `at` is one moment a row. Null and unreadable addresses give -1."""
        numbers = ipv4(addresses)
        epochs = np.searchsorted(self._cuts, at, side="right")
        owners = np.full(len(addresses), -1, dtype=np.int64)
        for epoch in np.flatnonzero(np.bincount(epochs)).tolist():
            starts, held = self._table4(epoch)
            rows = slice(None) if len(self._cuts) == 0 or (epochs == epoch).all() else np.flatnonzero(epochs == epoch)
            owners[rows] = held[np.searchsorted(starts, numbers[rows], side="right") - 1]
        rest = np.flatnonzero(numbers < 0)
        owners[rest] = -1
        if len(rest):
            self._find_six(addresses, epochs, rest, owners)
        return owners

    def _find_six(self, addresses: pl.Series, epochs: npt.NDArray[np.intp], rows: npt.NDArray[np.intp],
                  owners: Ints) -> None:
        """IPv6 and IPv4 written as IPv6: rarer, so each distinct text is judged once, in Python."""
        texts = addresses.gather(rows).to_list()
        known: dict[tuple[str, int], int] = {}
        for row, text in zip(rows.tolist(), texts, strict=True):
            if text and ":" in text:
                key = (text, int(epochs[row]))
                if key not in known:
                    known[key] = self._one_six(*key)
                owners[row] = known[key]

    def _one_six(self, text: str, epoch: int) -> int:
        try:
            address = ipaddress.IPv6Address(text.partition("%")[0])
        except ValueError:
            return -1
        if address.ipv4_mapped:
            starts, held = self._table4(epoch)
            return int(held[np.searchsorted(starts, int(address.ipv4_mapped), side="right") - 1])
        six, owners = self._table6(epoch)
        return owners[bisect_right(six, int(address)) - 1]

    def _table4(self, epoch: int) -> tuple[Ints, Ints]:
        if epoch not in self._four:
            starts, owners = flatten(self._active(epoch, 4))
            self._four[epoch] = np.array(starts, dtype=np.int64), np.array(owners, dtype=np.int64)
        return self._four[epoch]

    def _table6(self, epoch: int) -> tuple[list[int], list[int]]:
        if epoch not in self._six:
            self._six[epoch] = flatten(self._active(epoch, 6))
        return self._six[epoch]

    def _active(self, epoch: int, version: int) -> list[Span]:
        moment = int(self._cuts[epoch - 1]) if epoch else ALWAYS[0]
        return [item for item in self._spans if item.version == version and item.since <= moment < item.until]


def flatten(spans: Sequence[Span]) -> tuple[list[int], list[int]]:
    """Nested CIDR spans as (starts, owners) of disjoint ones, the longest prefix winning; gaps are -1."""
    starts, owners = [-1], [-1]
    open_: list[Span] = []

    def mark(at: int, owner: int) -> None:
        if starts[-1] == at:
            owners[-1] = owner
        else:
            starts.append(at)
            owners.append(owner)

    def close() -> None:
        ended = open_.pop()
        mark(ended.last + 1, open_[-1].owner if open_ else -1)

    for item in sorted(spans, key=lambda item: (item.first, -item.last)):
        while open_ and open_[-1].last < item.first:
            close()
        open_.append(item)
        mark(item.first, item.owner)
    while open_:
        close()
    return starts, owners


def ipv4(addresses: pl.Series) -> Ints:
    """Dotted quads as integers, -1 for null and for what is no IPv4 address."""
    parts = addresses.cast(pl.String).str.splitn(".", 4).struct.unnest()
    number = pl.lit(0, dtype=pl.Int64)
    for name in parts.columns:
        octet = pl.col(name).cast(pl.UInt8, strict=False).cast(pl.Int64)
        number = number * 256 + octet
    return parts.select(number.fill_null(-1)).to_series().to_numpy()
