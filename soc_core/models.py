"""The nouns that the wings share. Few of each exist at once; events themselves are columns (events.py)."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from soc_core.clock import Micros

Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("informational", "low", "medium", "high", "critical")
REAL, DEMO = "real", "demo"


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
    findings that named an entity beyond those kept; `incident` is the incident it belongs to, or "".
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


class Incident(Stored):
    """Alerts that tell one story. 事件"""

    id: str
    title: str
    level: Level
    organisation: str
    alerts: list[str]
    opened: Micros
    status: Literal["open", "contained", "closed"]
    realm: str
    version: int


class OutboxItem(Stored):
    """One consequence of a state change, to be delivered at least once and idempotently. 发件箱"""

    id: int
    topic: str
    key: str
    body: dict[str, Any]
    created: Micros
    attempts: int
