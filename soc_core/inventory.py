"""The city on record: organisations in their tree, systems, networks and hosts, each with validity in time.

A city is a folder (docs/city.md): city.yml, organisations.csv, systems.yml, systems-generated.csv, networks.csv,
hosts.csv. Every other part joins to what is read here, by (collector zone, address or host name, time).
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from soc_core import clock
from soc_core.access import NOTHING, Scope
from soc_core.addresses import ALWAYS, Span, Zone, span
from soc_core.clock import Micros
from soc_core.documents import DocumentError
from soc_core.pack import City, Expected, Host, Network, Organisation, System, Table, read_city, read_systems, table
from soc_core.protocols import Ints

__all__ = ["City", "Expected", "Host", "Inventory", "Network", "Organisation", "Owner", "SourceState", "System", "load"]

State = Literal["heard", "late", "never", "gap"]


class Owner(NamedTuple):
    """What a lookup leads to; `system` is "" where only the organisation is known."""

    organisation: str
    system: str


class SourceState(NamedTuple):
    """One line of the expected-source register: what should be heard, how often, and how it stands.

    `never` has never sent; `gap` is expected but was never connected; `late` is silent for longer than it may be.
    """

    expected: Expected
    system: str
    organisation: str
    last: Micros | None
    state: State


@dataclass
class Inventory:
    """A city pack, read and checked. Ids are unique; every reference leads somewhere; the tree has one root."""

    city: City
    organisations: dict[str, Organisation]
    systems: dict[str, System]
    networks: tuple[Network, ...]
    hosts: tuple[Host, ...]
    history: tuple[Organisation, ...] = ()
    owners: tuple[Owner, ...] = ()
    _zones: dict[str, Zone] = field(default_factory=dict)
    _names: dict[str, dict[str, list[Span]]] = field(default_factory=dict)
    _prefixes: dict[str, list[int]] = field(default_factory=dict)

    @property
    def root(self) -> Organisation:
        return next(item for item in self.organisations.values() if not item.parent)

    @property
    def named(self) -> list[System]:
        """The systems of the published list, in its order; `field_10_unnamed` (未列明) is not one of them."""
        return [item for item in self.systems.values() if item.number and item.listed]

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Organisation id → ids directly below it, today."""
        return _children(self.organisations.values())

    @cached_property
    def _by_owner(self) -> dict[str, list[System]]:
        found: dict[str, list[System]] = {}
        for item in self.systems.values():
            found.setdefault(item.owner, []).append(item)
        return found

    def systems_of(self, organisation: str) -> list[System]:
        """Systems that an organisation owns itself (not those of the bodies below it)."""
        return self._by_owner.get(organisation, [])

    @cached_property
    def _needed_by(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for item in self.systems.values():
            for other in item.depends_on:
                found.setdefault(other, []).append(item.id)
        return found

    def dependents(self, system: str) -> frozenset[str]:
        """Systems that fail with this one, directly or through others (not itself). Raises LookupError."""
        if system not in self.systems:
            raise LookupError(f"no system {system!r} in {self.city.name_en or self.city.id}")
        return _reached(system, self._needed_by) - {system}

    def subtree(self, organisation: str, at: Micros | None = None) -> frozenset[str]:
        """The organisation and all below it, today or at a moment. Raises LookupError on an unknown id."""
        if organisation not in self.organisations:
            raise LookupError(f"no organisation {organisation!r} in {self.city.name_en or self.city.id}")
        children = self.children if at is None else _children(self._valid(at))
        return _reached(organisation, children)

    def _valid(self, at: Micros) -> list[Organisation]:
        zone = ZoneInfo(self.city.timezone)
        return [item for item in self.history if _since(item.valid_from, zone) <= at < _until(item.valid_until, zone)]

    def scope_of(self, organisation: str) -> Scope:
        """What the people of an organisation may read: its own subtree; nothing for an unknown one."""
        return Scope(self.subtree(organisation)) if organisation in self.organisations else NOTHING

    def owner(self, code: int) -> Owner | None:
        """The owner behind a code of `resolve`."""
        return self.owners[code] if code >= 0 else None

    def locate(self, zone: str, address: str = "", host: str = "", at: Micros | None = None) -> Owner | None:
        """`resolve` for one event, e.g. in a view."""
        codes = self.resolve(zone, pl.Series([address]), pl.Series([host]), clock.now() if at is None else at)
        return self.owner(int(codes[0]))

    def resolve(self, zone: str, addresses: pl.Series | None, hosts: pl.Series | None, at: Ints | Micros) -> Ints:
        """Codes into `owners` for columns of equal height, -1 for unknown: by host name, else by address.

        `at` is one moment (microseconds) for all rows or one a row. Names match without case, whole or up to the
        first dot; `name*` rows of hosts.csv match by prefix, the longest first.
        """
        height = len(hosts if hosts is not None else addresses if addresses is not None else ())
        moments = np.full(height, at, dtype=np.int64) if isinstance(at, int) else at
        codes = self._by_name(zone, hosts, moments) if hosts is not None else np.full(height, -1, dtype=np.int64)
        if addresses is not None and zone in self._zones:
            rest = np.flatnonzero(codes < 0)
            if len(rest) == height:
                return self._zones[zone].find(addresses, moments)
            codes[rest] = self._zones[zone].find(addresses.gather(rest), moments[rest])
        return codes

    def _by_name(self, zone: str, hosts: pl.Series, at: Ints) -> Ints:
        known = self._names.get(zone, {})
        codes = np.full(len(hosts), -1, dtype=np.int64)
        if not known:
            return codes
        listed = hosts.to_list()
        lengths = self._lengths(zone)
        judged = {name: _spans_of(known, name, lengths) for name in set(listed) if name}
        fixed = {name: spans[0].owner if spans else -1 for name, spans in judged.items() if len(spans) < 2}
        codes[:] = np.fromiter((fixed.get(name, -1) for name in listed), dtype=np.int64, count=len(listed))
        if len(fixed) < len(judged) or any(spans and spans[0][4:] != ALWAYS for spans in judged.values()):
            self._in_time(listed, judged, at, codes)
        return codes

    @staticmethod
    def _in_time(listed: list[str], judged: Mapping[str, Sequence[Span]], at: Ints, codes: Ints) -> None:
        """Names whose meaning depends on the moment, row by row: few are."""
        moving = {name for name, spans in judged.items() if spans and (len(spans) > 1 or spans[0][4:] != ALWAYS)}
        for row, name in enumerate(listed):
            if name in moving:
                moment = int(at[row])
                codes[row] = next((s.owner for s in judged[name] if s.since <= moment < s.until), -1)

    def _lengths(self, zone: str) -> list[int]:
        """Lengths of the prefixes that the zone's `name*` rows have, the longest first."""
        if zone not in self._prefixes:
            found = {len(name) - 1 for name in self._names.get(zone, {}) if name.endswith("*")}
            self._prefixes[zone] = sorted(found, reverse=True)
        return self._prefixes[zone]

    def expected_sources(self) -> list[tuple[System, Expected]]:
        """The register: every source of every system, with how often it should be heard."""
        return [(system, source) for system in self.systems.values() for source in system.sources]

    def register(self, heard: Mapping[tuple[str, str], Micros], now: Micros) -> list[SourceState]:
        """The register beside what was heard: (system id, telemetry code) → time of its last event."""
        found = []
        for system, source in self.expected_sources():
            last = heard.get((system.id, source.code))
            state: State
            if last is None:
                state = "never" if source.connected else "gap"
            else:
                state = "late" if now - last > source.every * clock.SECOND else "heard"
            found.append(SourceState(source, system.id, system.owner, last, state))
        return found


def _spans_of(known: Mapping[str, list[Span]], name: str, lengths: Sequence[int]) -> list[Span]:
    """What a name means over time: itself, its first label, or the longest prefix of that."""
    name = name.lower()
    if name in known:
        return known[name]
    short = name.partition(".")[0]
    if short in known:
        return known[short]
    return next((known[short[:end] + "*"] for end in lengths if short[:end] + "*" in known), [])


def load(city: Path) -> Inventory:
    """Read a city folder. Raises DocumentError naming the file and the line of the first fault."""
    enabled = gc.isenabled()
    gc.disable()  # a hundred thousand new objects, none of them garbage: collecting takes as long as reading
    try:
        return _read(city)
    finally:
        if enabled:
            gc.enable()


def _read(city: Path) -> Inventory:
    about = read_city(city / "city.yml")
    zone = ZoneInfo(about.timezone)
    organisations = table(city / "organisations.csv", Organisation)
    systems = read_systems(city)
    networks = table(city / "networks.csv", Network)
    hosts = table(city / "hosts.csv", Host) if (city / "hosts.csv").exists() else Table(city / "hosts.csv", [], [])
    latest = _latest(organisations)
    _check_tree(organisations, latest)
    by_id = _check_systems(systems, latest)
    inventory = Inventory(about, latest, by_id, tuple(networks.rows), tuple(hosts.rows), tuple(organisations.rows))
    codes: dict[Owner, int] = {}
    inventory._names = _names(hosts, by_id, codes, zone)
    inventory._zones = _zones(networks, hosts, inventory, codes, zone)
    inventory.owners = tuple(codes)
    return inventory


@lru_cache(maxsize=4096)
def _since(day: date | None, zone: ZoneInfo) -> Micros:
    return ALWAYS[0] if day is None else clock.from_datetime(datetime(day.year, day.month, day.day, tzinfo=zone))


def _until(day: date | None, zone: ZoneInfo) -> Micros:
    return ALWAYS[1] if day is None else _since(day, zone)


def _children(organisations: Iterable[Organisation]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in organisations:
        found.setdefault(item.parent, []).append(item.id)
    return found


def _reached(start: str, steps: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """What can be reached from an id, itself included; a circle ends where it began."""
    found, open_ = {start}, [start]
    while open_:
        further = [name for name in steps.get(open_.pop(), ()) if name not in found]
        found.update(further)
        open_.extend(further)
    return frozenset(found)


def _latest(organisations: Table[Organisation]) -> dict[str, Organisation]:
    """One row an id: of several with different validity the latest."""
    latest: dict[str, Organisation] = {}
    for line, item in organisations:
        before = latest.get(item.id)
        if before is not None and (before.valid_until is None or item.valid_from is None
                                   or item.valid_from < before.valid_until):
            raise DocumentError(organisations.path, line, f"organisation {item.id!r} is there twice at the same time")
        latest[item.id] = item
    return latest


def _check_tree(organisations: Table[Organisation], latest: Mapping[str, Organisation]) -> None:
    roots = 0
    settled: set[str] = set()
    for line, item in organisations:
        if not item.parent:
            roots += item is latest[item.id]
        elif item.parent not in latest:
            raise DocumentError(organisations.path, line, f"parent {item.parent!r} of {item.id!r} is not there")
        if roots > 1:
            raise DocumentError(organisations.path, line, f"{item.id!r} is a second root; one has no parent")
        path: list[str] = []
        at = item.id
        while at and at not in settled:
            if at in path:
                raise DocumentError(organisations.path, line, f"{item.id!r} is above itself")
            path.append(at)
            at = latest[at].parent
        settled.update(path)
    if not roots:
        raise DocumentError(organisations.path, 1, "no organisation without a parent: the tree needs one root")


def _check_systems(systems: Sequence[Table[System]], organisations: Mapping[str, Organisation]) -> dict[str, System]:
    found: dict[str, System] = {}
    for listed in systems:
        for line, item in listed:
            if item.owner not in organisations:
                raise DocumentError(listed.path, line, f"owner {item.owner!r} of system {item.id!r} is not there")
            if item.id in found:
                raise DocumentError(listed.path, line, f"system {item.id!r} is there twice")
            found[item.id] = item
    for listed in systems:
        for line, item in listed:
            for other in item.depends_on:
                if other not in found:
                    raise DocumentError(listed.path, line, f"system {item.id!r} depends on {other!r}, not there")
    return found


def _names(hosts: Table[Host], systems: Mapping[str, System], codes: dict[Owner, int],
           zone: ZoneInfo) -> dict[str, dict[str, list[Span]]]:
    """Zone → lower-case name or prefix* → what it means, over time."""
    found: dict[str, dict[str, list[Span]]] = {}
    for line, item in hosts:
        if item.system not in systems:
            raise DocumentError(hosts.path, line, f"system {item.system!r} of host {item.name!r} is not there")
        owner = codes.setdefault(Owner(item.organisation or systems[item.system].owner, item.system), len(codes))
        meaning = Span(0, 0, 0, owner, _since(item.valid_from, zone), _until(item.valid_until, zone))
        held = found.setdefault(item.zone, {}).setdefault(item.name.lower(), [])
        if any(other.since < meaning.until and meaning.since < other.until for other in held):
            raise DocumentError(hosts.path, line, f"host {item.name!r} of zone {item.zone} is there twice")
        held.append(meaning)
    return found


def _zones(networks: Table[Network], hosts: Table[Host], inventory: Inventory, codes: dict[Owner, int],
           zone: ZoneInfo) -> dict[str, Zone]:
    """Zone → its table of spans. The same network twice at one time in one zone is an error."""
    spans: dict[str, dict[tuple[int, int, int], list[Span]]] = {}

    def add(path: Path, line: int, where: str, item: Span, text: str) -> None:
        held = spans.setdefault(where, {}).setdefault(item[:3], [])
        if any(other.since < item.until and item.since < other.until and other.owner != item.owner for other in held):
            raise DocumentError(path, line, f"{text} of zone {where} has two owners at the same time")
        held.append(item)

    for line, row in networks:
        if row.organisation not in inventory.organisations:
            raise DocumentError(networks.path, line, f"organisation {row.organisation!r} of {row.cidr} is not there")
        if row.system and row.system not in inventory.systems:
            raise DocumentError(networks.path, line, f"system {row.system!r} of {row.cidr} is not there")
        code = codes.setdefault(Owner(row.organisation, row.system), len(codes))
        since, until = _since(row.valid_from, zone), _until(row.valid_until, zone)
        add(networks.path, line, row.zone, _span(networks.path, line, row.cidr, code, since, until), row.cidr)
    for line, host in hosts:
        if host.address:
            owner = Owner(host.organisation or inventory.systems[host.system].owner, host.system)
            since, until = _since(host.valid_from, zone), _until(host.valid_until, zone)
            item = _span(hosts.path, line, host.address, codes[owner], since, until)
            add(hosts.path, line, host.zone, item, host.address)
    return {where: Zone([item for held in found.values() for item in held]) for where, found in spans.items()}


def _span(path: Path, line: int, cidr: str, owner: int, since: Micros, until: Micros) -> Span:
    try:
        return span(cidr, owner, since, until)
    except ValueError as error:
        raise DocumentError(path, line, str(error)) from None
