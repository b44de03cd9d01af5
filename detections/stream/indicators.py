"""Threat indicators on arrival, and back over what is stored: addresses, networks, domains, URLs, hashes. 威胁情报匹配

Each distinct value of a batch is judged once. A domain stands for the names below it, too. An indicator counts for
events whose own time lies in its validity. A finding's rule is `indicator:` and the indicator's id, so that an alert
is one indicator in one agency.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from soc_core.config import Settings
from soc_core.events import EventBatch
from soc_core.models import REAL, Finding, Indicator
from soc_core.protocols import Detector, Query
from soc_core.state import indicators
from soc_core.state.database import Database
from soc_core.state.indicators import Version

ADDRESSES = ("source.ip", "destination.ip", "client.ip", "server.ip", "dns.resolved_ip", "host.ip", "related.ip")
NAMES = ("dns.question.name", "destination.domain", "source.domain", "url.domain", "tls.client.server_name",
         "server.domain")
URLS = ("url.original", "url.full")
HASHES = tuple(f"{owner}.hash.{kind}" for owner in ("file", "process", "dll") for kind in ("md5", "sha1", "sha256"))
FIELDS = {**dict.fromkeys(ADDRESSES, "ip"), **dict.fromkeys(NAMES, "domain"), **dict.fromkeys(URLS, "url"),
          **dict.fromkeys(HASHES, "hash")}
NAMED = ("source.ip", "user.name", "host.name", "destination.ip")
FACTS = ("event.id", "@timestamp", "organization.id", "soc.system.id", "soc.realm", "soc.partition", "soc.offset")
LOOK_EVERY = 2.0  # seconds of the wall clock between looks whether indicators changed
KEPT = 200_000  # judged values
EXACT = 50  # indicators up to which stored events are asked for by value, beyond it all are looked through


class Signs:
    """Indicators, ready to look values up in. Immutable."""

    def __init__(self, items: Iterable[Indicator]) -> None:
        self.exact: dict[tuple[str, str], list[Indicator]] = {}
        self.nets: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, Indicator]] = []
        for item in items:
            if item.kind == "net":
                self.nets.append((ipaddress.ip_network(item.value, strict=False), item))
            else:
                self.exact.setdefault((item.kind, item.value), []).append(item)
        self.kinds = {kind for kind, _ in self.exact} | ({"ip"} if self.nets else set())
        if self.kinds & {"domain", "ip"}:
            self.kinds.add("url")  # whose host is one or the other
        self._known: dict[tuple[str, str], tuple[Indicator, ...]] = {}

    def of(self, kind: str, value: str) -> tuple[Indicator, ...]:
        """The indicators that a value is a sign of."""
        key = (kind, value)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= KEPT:
                self._known.clear()
            found = self._known[key] = tuple({item.id: item for item in self._find(kind, value)}.values())
        return found

    def _find(self, kind: str, value: str) -> Iterator[Indicator]:
        text = normal(kind, value)
        yield from self.exact.get((kind, text), ())
        if kind == "ip" and self.nets:
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                return
            yield from (item for net, item in self.nets if address in net)
        elif kind == "domain":
            labels = text.split(".")
            for at in range(1, len(labels) - 1):  # never a top-level name alone
                yield from self.exact.get(("domain", ".".join(labels[at:])), ())
        elif kind == "url" and "://" in text:
            host = host_of(text)
            yield from self.of("ip", host)
            yield from self.of("domain", host)


@lru_cache(maxsize=65536)
def normal(kind: str, value: str) -> str:
    """A value as it is compared: addresses in their short form, names and hashes in lower case, URLs less fragment."""
    text = value.strip()
    if kind == "ip":
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            return text
    if kind == "net":
        return str(ipaddress.ip_network(text, strict=False))
    if kind == "url":
        scheme, mark, rest = text.split("#", 1)[0].partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme.lower()}{mark}{host.lower()}{slash}{path}" if mark else text
    return text.lower().rstrip(".")


def host_of(url: str) -> str:
    """The host of a URL, as well as it can be told; "" where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class Sight(NamedTuple):
    """A row of a batch, the field and value that gave it away, and the indicator."""

    row: int
    field: str
    value: str
    indicator: Indicator


class Matcher:
    """Detector. `load` gives the indicators when they changed since a version, else None; it is asked now and then.

    It holds nothing of the events it saw, so its state is empty and any cut into batches gives the same findings.
    """

    def __init__(self, load: Callable[[Version | None], tuple[Version, Signs] | None]) -> None:
        self._load = load
        self._version: Version | None = None
        self._signs = Signs(())
        self._looked = -LOOK_EVERY

    def detect(self, batch: EventBatch) -> list[Finding]:
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            if fresh := self._load(self._version):
                self._version, self._signs = fresh
        return judge(self._signs, batch)

    def tick(self, now: int) -> list[Finding]:
        return []

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        """Nothing is kept."""


def judge(signs: Signs, batch: EventBatch, stored: bool = False) -> list[Finding]:
    """A finding for each event and indicator that it is a sign of; of `stored` events, apart from the journal."""
    sights = sorted(seen(signs, batch), key=lambda each: (each.row, each.indicator.id))
    if not sights:
        return []
    rows = sorted({each.row for each in sights})
    mask = np.zeros(batch.height, dtype=bool)
    mask[rows] = True
    facts = dict(zip(rows, plain(batch.take(mask)), strict=True))
    found: dict[tuple[int, str], Finding] = {}
    for sight in sights:
        key, item = (sight.row, sight.indicator.id), sight.indicator
        at = int(facts[sight.row].get("@timestamp") or 0)
        if key not in found and at >= item.valid_from and (item.valid_until is None or at < item.valid_until):
            found[key] = finding(sight, facts[sight.row], at, stored)
    return list(found.values())


def seen(signs: Signs, batch: EventBatch) -> Iterator[Sight]:
    """Whatever in the batch is a sign of an indicator, whenever that holds."""
    for field in sorted(batch.fields & set(FIELDS)):
        kind = FIELDS[field]
        if kind not in signs.kinds:
            continue
        codes, values = batch.distinct(field)
        for code, value in enumerate(values):
            for each in value if isinstance(value, tuple) else (value,):
                for indicator in signs.of(kind, str(each)):
                    for row in np.flatnonzero(codes == code).tolist():
                        yield Sight(row, field, str(each), indicator)


def plain(batch: EventBatch) -> list[dict[str, Any]]:
    """Rows with what findings need, times in microseconds."""
    columns = {name: batch.column(name) for name in (*FACTS, *NAMED) if name in batch.fields}
    lists = {name: (series.cast(int) if name == "@timestamp" else series).to_list()
             for name, series in columns.items()}
    return [{name: values[row] for name, values in lists.items()} for row in range(batch.height)]


def finding(sight: Sight, facts: dict[str, Any], at: int, stored: bool) -> Finding:
    item = sight.indicator

    def text(name: str) -> str:
        return str(facts.get(name) or "")

    entities = [(name, text(name)) for name in NAMED if text(name)]
    if (sight.field, sight.value) not in entities:
        entities.append((sight.field, sight.value[:512]))
    why = f"{item.feed}: {sight.field} = {sight.value[:200]} ({item.kind} {item.value}, {item.confidence} %)"
    return Finding(
        rule_id=f"indicator:{item.id}", event_id=text("event.id"), at=at, level=item.level,
        title=f"威胁情报命中 Threat indicator: {item.name or item.value}"[:300],
        group=(("organization.id", text("organization.id")), ("soc.system.id", text("soc.system.id"))),
        entities=tuple(entities), techniques=tuple(item.techniques), organisation=text("organization.id"),
        system=text("soc.system.id"), realm=text("soc.realm") or REAL,
        partition=-1 if stored else int(facts.get("soc.partition") or 0),
        offset=-1 if stored else int(facts.get("soc.offset") or 0), explanation=why,
    )


def detector(settings: Settings, state: Database) -> Detector:
    """The stream's matcher over the indicators in the state database."""
    lock = threading.Lock()

    def load(known: Version | None) -> tuple[Version, Signs] | None:
        with lock, state.read() as session:
            now = indicators.version(session)
            return None if now == known else (now, Signs(indicators.standing(session)))

    return Matcher(load)


# ---------------------------------------------------------------- back over what is stored


def question(items: Sequence[Indicator]) -> Query:
    """What narrows stored events to those that may be signs of some indicators; it may let others pass."""
    since = min(item.valid_from for item in items)
    ends = [item.valid_until for item in items]
    until = None if None in ends else max(end for end in ends if end is not None)
    asked: list[str] = []
    if len(items) <= EXACT and all(item.kind == "hash" or (item.kind == "ip" and ":" not in item.value)
                                   for item in items):
        for item in items:
            fields = [name for name, kind in FIELDS.items() if kind == item.kind]
            fields = [name for name in fields if item.kind == "ip" or lengths(name) == len(item.value)]
            asked += [f'{name}:"{item.value}"' for name in fields]
            asked += [f"{name}:*{item.value}*" for name in URLS if item.kind == "ip"]
    return Query(text=" OR ".join(asked), since=since or None, until=until)


def lengths(field: str) -> int:
    """Hexadecimal digits of a hash field."""
    return {"md5": 32, "sha1": 40, "sha256": 64}[field.rsplit(".", 1)[-1]]


def back(items: Sequence[Indicator], batches: Iterable[EventBatch]) -> Iterator[Finding]:
    """Findings on stored events, which count like all others and once with those made on arrival."""
    signs = Signs(items)
    for batch in batches:
        yield from judge(signs, batch, stored=True)
