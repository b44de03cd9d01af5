"""Who acts in the city: officials on their units' networks, citizens behind operators, and the hosts that log.

No name belongs to a person: accounts are syllables and numbers. Citizens' addresses are private ones, as seen behind
an operator's translation, and documentation IPv6.
"""

from __future__ import annotations

import ipaddress

import numpy as np
import polars as pl

from simulate.block import Array, Block, Cast
from soc_core.clock import SECOND
from soc_core.inventory import Inventory

SYLLABLES = ("an", "bai", "chen", "ding", "fan", "gao", "han", "jin", "kang", "lan", "ming", "ning", "ouyang", "peng",
             "qing", "rui", "song", "tang", "wen", "xu", "yan", "zhou")
OFFICIALS, CITIZENS = 20_000, 60_000


class Population:
    """Accounts and where they come from. Codes below `officials` are officials, the rest citizens."""

    def __init__(self, inventory: Inventory, seed: int, skewed: bool = True) -> None:
        rng = np.random.default_rng([seed, 1])
        self.officials = OFFICIALS
        self.users = pl.Series(_accounts(rng))
        self.clients = pl.Series(_office_addresses(inventory, rng) + _public_addresses(rng))
        self.hosts = pl.Series([host.name.replace("*", "01") for host in inventory.hosts], dtype=pl.String)
        addresses = [host.address or "192.0.2.250" for host in inventory.hosts]
        self.cast = Cast(self.hosts, pl.Series(addresses, dtype=pl.String), self.users, self.clients,
                         _skew(len(self.hosts), rng) * skewed)

    def draw(self, rng: np.random.Generator, public: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[Array, Array]:
        """(users, clients) for sessions: citizens where `public`, else officials; a few are far more active."""
        count = len(public)
        keen = np.exp(rng.random(count) * np.log(OFFICIALS)).astype(np.int64) - 1
        users = np.where(public, OFFICIALS + rng.integers(0, CITIZENS, count), keen)
        elsewhere = rng.random(count) < 0.12  # another network than usual
        clients = np.where(elsewhere, OFFICIALS + rng.integers(0, CITIZENS, count), users)
        return users, np.where(public, OFFICIALS + (clients - OFFICIALS) % CITIZENS, clients)


def _accounts(rng: np.random.Generator) -> list[str]:
    first = rng.integers(0, len(SYLLABLES), OFFICIALS)
    second = rng.integers(0, len(SYLLABLES), OFFICIALS)
    officials = [f"{SYLLABLES[a]}{SYLLABLES[b]}{n:04d}" for n, (a, b) in enumerate(zip(first, second, strict=True))]
    return officials + [f"u{n:08d}" for n in rng.integers(0, 10**8, CITIZENS).tolist()]


def _office_addresses(inventory: Inventory, rng: np.random.Generator) -> list[str]:
    """An address of some unit's network for each official; of any private network where the pack has none."""
    offices = [row.cidr for row in inventory.networks if not row.system and "." in row.cidr and row.zone == "city"]
    networks = [ipaddress.IPv4Network(cidr) for cidr in offices] or [ipaddress.IPv4Network("192.168.250.0/24")]
    chosen = rng.integers(0, len(networks), OFFICIALS).tolist()
    within = rng.random(OFFICIALS).tolist()
    return [
        str(networks[n][1 + int(at * max(networks[n].num_addresses - 2, 1)) % networks[n].num_addresses])
        for n, at in zip(chosen, within, strict=True)
    ]


def _public_addresses(rng: np.random.Generator) -> list[str]:
    low = rng.integers(0, 1 << 22, CITIZENS).tolist()
    part = rng.integers(0, 65536, (CITIZENS, 3)).tolist()
    four = int(ipaddress.IPv4Address("10.128.0.0"))
    return [
        str(ipaddress.IPv4Address(four + value)) if n % 5 < 3 else f"2001:db8:{a or 1:x}:{b or 1:x}::{c or 1:x}"
        for n, (value, (a, b, c)) in enumerate(zip(low, part, strict=True))
    ]


def _skew(count: int, rng: np.random.Generator) -> Array:
    """Most clocks are right to some milliseconds, a tenth to seconds, one in a hundred is minutes off."""
    sort = rng.random(count)
    scale = np.where(sort < 0.01, 240.0, np.where(sort < 0.1, 2.5, 0.02))
    return (rng.standard_normal(count) * scale * SECOND).astype(np.int64)


def one(cast: Cast, rng: np.random.Generator, times: Array, host: int, user: int, client: int) -> Block:
    """A block of one host and account, for attack steps."""
    same = np.ones(len(times), dtype=np.int64)
    trace = np.full(len(times), rng.integers(1 << 40, 1 << 62), dtype=np.int64)
    return Block(cast, rng, times, same * host, same * user, same * client, trace)
