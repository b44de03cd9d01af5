"""The alert queue as data: a page of rows, the filter in its address, and acts that answer one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from casework import alerts
from casework.alerts import Row
from casework.rights import JUDGE
from casework.services import Services
from soc_core import clock
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import LEVELS
from soc_core.state.alerts import Filter
from soc_ui.text import translate

VIEWS = ("open", "mine", "closed", "all")
REALMS = ("", "real", "demo")
TEXT = 200


@dataclass(frozen=True)
class QueueFilter:
    """What /alerts shows, exactly as it stands in the address; anything unknown there is as if it were not."""

    view: str = "open"
    level: str = ""
    realm: str = ""
    q: str = ""
    org: str = ""
    rule: str = ""
    system: str = ""
    hours: int = 0

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> QueueFilter:
        def one(name: str, allowed: tuple[str, ...], default: str) -> str:
            value = str(given.get(name) or default)
            return value if value in allowed else default

        hours = str(given.get("hours") or "")
        return cls(
            one("view", VIEWS, "open"), one("level", ("", *LEVELS), ""), one("realm", REALMS, ""),
            str(given.get("q") or "")[:TEXT], str(given.get("org") or "")[:TEXT], str(given.get("rule") or "")[:TEXT],
            str(given.get("system") or "")[:TEXT], int(hours) if hours.isdecimal() and len(hours) < 6 else 0)

    def query(self) -> str:
        """The same filter as an address query, without what is default."""
        return urlencode(self.pairs())

    def pairs(self) -> dict[str, str]:
        """The filter by name, without what is default."""
        return {name: str(value) for name, value in asdict(self).items() if value and value != "open"}

    def of(self, actor: Actor, now: Micros) -> Filter:
        """The filter that the state database understands."""
        status: Any = {"open": "waiting", "mine": "waiting", "closed": "closed", "all": ""}[self.view]
        level: Any = self.level
        return Filter(
            realm=self.realm, level=level, rule=self.rule, status=status, organisation=self.org, system=self.system,
            assignee=actor.name if self.view == "mine" else "", text=self.q,
            since=now - self.hours * clock.HOUR if self.hours else None)


@dataclass(frozen=True)
class AlertRow:
    """A row of the grid."""

    id: str
    version: int
    level: str
    risk: int
    title: str
    rule_id: str
    organisation: str
    organisation_name: str
    system_name: str
    object: str
    count: int
    first_seen: Micros
    last_seen: Micros
    status: str
    verdict: str
    assignee: str
    realm: str


@dataclass(frozen=True)
class QueuePage:
    """A page of the queue; `hidden` rows match but belong to others. `total` may be told as at least so many."""

    rows: list[AlertRow]
    total: int
    at_least: bool
    next: str
    hidden: int
    filter: str
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class AlertPeek:
    """What the side panel shows of the row under the cursor."""

    id: str
    level: str
    risk: int
    title: str
    rule_id: str
    organisation_name: str
    system_name: str
    first_seen: Micros
    last_seen: Micros
    count: int
    techniques: list[str]
    assignee: str
    realm: str
    explanation: str
    entities: list[tuple[str, list[str]]]
    event: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def grid_row(row: Row) -> AlertRow:
    item = row.alert
    return AlertRow(
        item.id, item.version, item.level, item.risk, item.title, item.rule_id, item.organisation,
        row.organisation_name.removeprefix(row.city), row.system_name, row.object, item.count, item.first_seen,
        item.last_seen, item.status, item.verdict, item.assignee, item.realm)


def queue_page(actor: Actor, services: Services, wanted: QueueFilter, after: str = "", limit: int = 50) -> QueuePage:
    """A page of the actor's queue. Raises ValueError on a key of another list."""
    at = clock.now()
    found = alerts.queue(actor, services, wanted.of(actor, at), after, limit)
    return QueuePage([grid_row(row) for row in found.rows], found.total, not found.total_is_exact, found.next,
                     found.hidden_by_scope, wanted.query(), found.as_of)


def entity_name(language: str, name: str) -> str:
    """An entity's field in words where we have some."""
    try:
        return translate(language, f"entity.{name}")
    except KeyError:
        return name


def alert_peek(actor: Actor, services: Services, language: str, alert: str) -> AlertPeek:
    """The alert under the cursor with its first raw record. Raises NotFound."""
    from soc_ui.vm.alert import spans

    row = alerts.get(actor, services, alert)
    item = row.alert
    first = next(iter(alerts.events(actor, services, item, limit=1)), None)
    marked = {"raw": first.raw, "spans": spans(first.raw, [match.value for match in alerts.matches(item)])} if (
        first) else None
    return AlertPeek(
        item.id, item.level, item.risk, item.title, item.rule_id, row.organisation_name, row.system_name,
        item.first_seen, item.last_seen, item.count, item.techniques, item.assignee, item.realm, item.explanation,
        [(entity_name(language, name), values[:8]) for name, values in item.entities.items() if values], marked)


def may_judge(actor: Actor) -> bool:
    return actor.has(*JUDGE)
