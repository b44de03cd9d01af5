"""The city on record: load time, and the join of addresses and host names to owners, on one core."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from soc_core import clock, inventory
from soc_core.config import ROOT

ROWS = 1_000_000
CITY = ROOT / "cities" / "changsha"


def figures() -> list[dict[str, Any]]:
    """Best of three CPU times each; the peer is the standard library's ipaddress, one address at a time."""
    seconds = best(lambda: inventory.load(CITY))
    city = inventory.load(CITY)
    rng = np.random.default_rng(1)
    parts = rng.integers(0, 256, (ROWS, 3)).tolist()
    addresses = pl.Series([f"10.{a % 200}.{b}.{c}" for a, b, c in parts])
    at = clock.from_text("2025-06-01T00:00:00Z") + rng.integers(0, 2 * 365, ROWS) * clock.DAY
    hosts = pl.Series([city.hosts[n].name for n in rng.integers(0, len(city.hosts), ROWS).tolist()])
    city.resolve("city", addresses, None, at)  # the tables of each epoch are made on first use
    joined = ROWS / best(lambda: city.resolve("city", addresses, None, at))
    named = ROWS / best(lambda: city.resolve("cloud", None, hosts, at))
    some = addresses.head(300)
    naive = len(some) / best(lambda: one_by_one(city, some.to_list()))
    return [
        row("inventory load", round(seconds, 3), "s", target=2.0, met=seconds <= 2.0),
        row("address to system", round(joined), "joins/s", "ipaddress", round(naive), 1e6, joined >= 1e6),
        row("host name to system", round(named), "joins/s", target=1e6, met=named >= 1e6),
    ]


def best(work: Callable[[], object]) -> float:
    """The least CPU seconds of three runs."""
    found = []
    for _ in range(3):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def one_by_one(city: inventory.Inventory, addresses: list[str]) -> int:
    """What the join replaces: every network of the zone asked in turn."""
    networks = [ipaddress.ip_network(row.cidr) for row in city.networks if row.zone == "city" and "." in row.cidr]
    return sum(any(ipaddress.ip_address(text) in network for network in networks) for text in addresses)


def row(name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None,
        target: float | None = None, met: bool | None = None) -> dict[str, Any]:
    ratio = round(value / peer_value, 2) if peer_value else None
    return {"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value, "ratio": ratio,
            "target": target, "met": met}
