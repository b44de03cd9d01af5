"""The nouns that the wings share. Few of each exist at once; events themselves are columns (events.py)."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from soc_core.clock import Micros

Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")
REAL, DEMO = "real", "demo"
IncidentStatus = Literal[
    "new", "triaging", "confirmed", "containing", "eradicating", "recovering", "monitoring", "closed", "false_positive",
    "merged",
]
ENDED: tuple[IncidentStatus, ...] = ("closed", "false_positive", "merged")  # such an incident takes no more alerts


class Finding(NamedTuple):
    """One detector's word on one event (or one full correlation window). Identity: (rule_id, event_id).

    `group` is the key of the alert (episode) it counts towards; `entities` are what carries risk, as
    ("source.ip", "203.0.113.9"). `partition`/`offset` say which journal record brought it, so that a replay
    counts nothing twice. `explanation` says in words why, for learned detectors and correlations.
    """

    rule_id: str
    event_id: str
    at: Micros
    level: Level
    title: str
    group: tuple[tuple[str, str], ...]
    entities: tuple[tuple[str, str], ...]
    techniques: tuple[str, ...]
    organisation: str
    system: str
    realm: str
    partition: int
    offset: int
    risk: int = 0
    explanation: str = ""
    building_block: bool = False  # adds risk, raises no alert


class Stored(BaseModel):
    """What every record of the state database shares: unknown keys refused, instances frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Alert(Stored):
    """An episode: every finding of one rule and group key, close in time. 告警

    `count` is exact under replay; `events` holds the ids of the first and the latest contributing events (at most
    100; the whole set is a query on rule and group). Times in microseconds, event time. `entities_cut` counts
    findings that named an entity beyond those kept; `incident` is the incident it belongs to, or "". `priority` is its
    place in the queue and `due` by when somebody should have taken it up (state/queue.py).
    """

    id: str
    rule_id: str
    title: str
    level: Level
    count: int
    first_seen: Micros
    last_seen: Micros
    raised: Micros
    group: dict[str, str]
    entities: dict[str, list[str]]
    events: list[str]
    organisation: str
    system: str
    techniques: list[str]
    risk: int
    realm: str
    status: Literal["new", "open", "closed"]
    verdict: Literal["", "true", "benign", "false", "test"]
    assignee: str
    explanation: str
    version: int
    entities_cut: int = 0
    incident: str = ""
    priority: int = 0
    due: Micros = 0


class Incident(Stored):
    """Alerts that tell one story. 事件

    `opened` is the first event's time, `raised` when the platform began it; `kind` a class of GB/T 20986 once a person
    named it; `merged` the incident that took its alerts. States and what leads from one to the other are data:
    casework/machines/incident.yml.
    """

    id: str
    title: str
    level: Level
    organisation: str
    alerts: list[str]
    opened: Micros
    status: IncidentStatus
    realm: str
    version: int
    last_seen: Micros = 0
    raised: Micros = 0
    kind: str = ""
    assignee: str = ""
    merged: str = ""
    risk: int = 0


class Indicator(Stored):
    """A sign of a known threat: an address, network, domain, URL or hash, valid for a span of event time. 威胁指标"""

    id: str
    kind: Literal["ip", "net", "domain", "url", "hash"]
    value: str
    name: str
    feed: str
    level: Level
    confidence: int
    techniques: list[str]
    valid_from: Micros
    valid_until: Micros | None
    revoked: bool
    created: Micros
    changed: Micros
    matched: Micros | None


class OutboxItem(Stored):
    """One consequence of a state change, to be delivered at least once and idempotently. 发件箱"""

    id: int
    topic: str
    key: str
    body: dict[str, Any]
    created: Micros
    attempts: int
