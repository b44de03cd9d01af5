"""A block of lines to be written: parallel arrays, one row a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cast:
    """What rows point into: names and addresses of hosts, accounts, and addresses of clients."""

    hosts: pl.Series
    addresses: pl.Series
    users: pl.Series
    clients: pl.Series
    skew: Array  # microseconds by which a host's clock is wrong


@dataclass(frozen=True)
class Block:
    """Times in microseconds; `host`, `user` and `client` are codes into `cast`; `trace` ties a session's lines."""

    cast: Cast
    rng: np.random.Generator
    time: Array
    host: Array
    user: Array
    client: Array
    trace: Array

    @property
    def height(self) -> int:
        return len(self.time)

    @property
    def shown(self) -> Array:
        """Times as the hosts' own clocks show them."""
        return self.time + self.cast.skew[self.host]

    def take(self, rows: Array) -> Block:
        return Block(self.cast, self.rng, self.time[rows], self.host[rows], self.user[rows], self.client[rows],
                     self.trace[rows])
