"""Which host of which system writes which kind of log, how much of it, and where it is collected."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from simulate import templates
from soc_core.inventory import Host, Inventory
from soc_core.inventory import System as CitySystem

KINDS = {
    "WEB": "nginx", "WAF": "waf", "GW": "gateway", "APP": "application", "SSO": "sso", "DBA": "database",
    "HOST": "linux", "DNS": "eve_dns", "NET": "eve_net", "VPN": "vpn", "BAST": "bastion", "MAIL": "mail",
    "CAM": "camera", "IOT": "iot", "ICS": "control", "CLD": "kubernetes", "KSK": "winflat", "MOB": "mobile",
    "AVL": "probe", "CONT": "content", "BAK": "backup", "CERT": "certificate", "DLP": "leakage", "HLTH": "heartbeat",
}  # fmt: skip
# events a second relative to each other, within one organisation
SHARE = {
    "WEB": 30, "WAF": 1, "GW": 20, "APP": 20, "SSO": 6, "DBA": 20, "HOST": 8, "DNS": 25, "NET": 40, "VPN": 2, "BAST": 1,
    "MAIL": 8, "CAM": 12, "IOT": 10, "ICS": 8, "CLD": 15, "KSK": 4, "MOB": 8, "AVL": 0.3, "CONT": 0.05, "BAK": 0.1,
    "CERT": 0.02, "DLP": 0.2, "HLTH": 0.4,
}  # fmt: skip
# events a second of one unit, by its kind: 471, 1,304 and 1,745 of them make the city's 25,400
UNIT = {"city_unit": 30.0, "county_department": 6.0, "township": 6.0, "village": 2.0, "community": 2.0}
ROLES = {
    "WEB": "web", "WAF": "waf", "GW": "gw", "APP": "app", "MOB": "app", "SSO": "sso", "DBA": "db", "HOST": "srv",
    "DNS": "dns", "NET": "ids", "VPN": "vpn", "BAST": "bast", "MAIL": "mail", "CAM": "nvr", "IOT": "iot", "ICS": "plc",
    "CLD": "k8s", "KSK": "kiosk", "AVL": "probe", "CONT": "probe", "CERT": "probe", "BAK": "bak", "DLP": "dlp",
    "HLTH": "probe",
}  # fmt: skip
HUMAN = frozenset({"WEB", "WAF", "GW", "APP", "SSO", "DBA", "VPN", "MAIL", "KSK", "MOB", "BAST"})
SILENT = 0.01  # share of connected sources that never send


@dataclass(frozen=True)
class Stream:
    """One host's log of one kind. `source` collects it; `peer` is the sender's address where lines do not name it."""

    system: str
    code: str
    kind: str
    host: int
    zone: str
    source: str
    peer: str
    weight: float
    hours: str


class Streams:
    """All streams of a city, as a list and as arrays in the same order. `weight` adds up to 1.

    `gaps` leaves out what the register has as missing, and the connected sources that never send.
    """

    def __init__(self, inventory: Inventory, seed: int, systems: Collection[str] | None = None,
                 even: bool = False, gaps: bool = True) -> None:
        self.listed = _streams(inventory, seed, systems, gaps)
        if not self.listed:
            raise ValueError("no system of this city has both a connected source and a host: nothing can be simulated")
        weight = np.array([stream.weight for stream in self.listed])
        if even:
            weight = _evened(self.listed)
        self.weight: npt.NDArray[np.float64] = weight / weight.sum()
        self.host = np.array([stream.host for stream in self.listed], dtype=np.int64)
        self.kinds = sorted({stream.kind for stream in self.listed})
        self.kind = np.array([self.kinds.index(stream.kind) for stream in self.listed], dtype=np.int64)
        self.sources = sorted({stream.source for stream in self.listed})
        places = {source: n for n, source in enumerate(self.sources)}
        self.source = np.array([places[stream.source] for stream in self.listed], dtype=np.int64)
        self.by_system: dict[str, list[int]] = {}
        for n, stream in enumerate(self.listed):
            self.by_system.setdefault(stream.system, []).append(n)

    def of(self, system: str, code: str) -> list[int]:
        """Streams of one system and telemetry code."""
        return [n for n in self.by_system.get(system, []) if self.listed[n].code == code]


def _evened(listed: list[Stream]) -> npt.NDArray[np.float64]:
    """Every system heard equally often, whatever its size: for demonstrations."""
    total: dict[str, float] = {}
    for stream in listed:
        total[stream.system] = total.get(stream.system, 0.0) + SHARE[stream.code] ** 0.5
    return np.array([SHARE[stream.code] ** 0.5 / total[stream.system] for stream in listed])


def kind_of(code: str, system: CitySystem, host: Host) -> str:
    """The product behind a telemetry code: it depends on what the system is built with."""
    if code == "WEB" and "apache" in system.stack:
        return "apache"
    if code == "HOST":
        if ".net" in system.stack or "windows" in system.stack:
            return "winlogbeat"
        return "linux5424" if zlib.crc32(host.name.encode()) % 4 == 0 else "linux"
    return KINDS[code]


def _streams(inventory: Inventory, seed: int, systems: Collection[str] | None, gaps: bool) -> list[Stream]:
    rng = np.random.default_rng([seed, 2])
    hosts: dict[str, list[tuple[int, Host]]] = {}
    for n, host in enumerate(inventory.hosts):
        if not host.name.endswith("*"):
            hosts.setdefault(host.system, []).append((n, host))
    found: list[tuple[str, Stream]] = []
    for system in inventory.systems.values():
        if not system.listed or (systems is not None and system.id not in systems):
            continue
        for expected in system.sources:
            places = hosts.get(system.id, [])
            fit = [place for place in places if place[1].role == ROLES[expected.code]] or places[:1]
            for n, host in fit if expected.connected or not gaps else []:
                if rng.random() >= SILENT or systems is not None or not gaps:
                    found.append((system.owner, _stream(system, expected.code, expected.hours, n, host, len(fit))))
    return _budgeted(inventory, found)


def _stream(system: CitySystem, code: str, hours: str, place: int, host: Host, among: int) -> Stream:
    kind = kind_of(code, system, host)
    named = templates.kind(kind).document.names_host
    source = f"{host.zone}/{kind}" if named else f"{host.zone}/{kind}/{host.name}"
    size = {"C1": 8.0, "C2": 2.5, "C3": 1.0}[system.criticality] * (1.0 + np.log10(1.0 + system.people / 1000.0))
    if hours == "always" and code in HUMAN:
        hours = "public" if system.exposure == "internet" else "office"
    return Stream(system.id, code, kind, place, host.zone, source, "" if named else host.address,
                  SHARE[code] * size / among, hours)


def _budgeted(inventory: Inventory, found: list[tuple[str, Stream]]) -> list[Stream]:
    """Give each owner its budget by kind of unit; units without systems are heard on the networks they use."""
    total: dict[str, float] = {}
    for owner, stream in found:
        total[owner] = total.get(owner, 0.0) + stream.weight
    spare = sum(UNIT[unit.kind] for unit in inventory.organisations.values() if unit.id not in total)
    networks = {system.id for system in inventory.systems.values() if system.kind == "network"}
    network = sum(stream.weight for _, stream in found if stream.system in networks and stream.code in ("NET", "DNS"))
    made = []
    for owner, stream in found:
        important = 1.0 + 6.0 * (inventory.systems[stream.system].criticality == "C1")
        weight = UNIT[inventory.organisations[owner].kind] * important * stream.weight / total[owner]
        if network and stream.system in networks and stream.code in ("NET", "DNS"):
            weight += spare * stream.weight / network
        made.append(replace(stream, weight=weight))
    return made
