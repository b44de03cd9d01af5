"""Alerts in Elasticsearch as ECS documents, for Kibana and whatever else reads the cluster. A copy: state is the truth.

An alert's index is a function of its realm and of the month in which it was raised (`soc_alerts-real-2026.11`), its
`_id` is its own id, and its version the number of the change that it shows. So whatever is written twice, late or by
two hands at once, the newest stays.
https://www.elastic.co/docs/reference/ecs/ecs-rule
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson
from elasticsearch import NotFoundError

from soc_core import clock
from soc_core.models import LEVELS, Alert
from soc_core.schema import SCHEMA, Column
from soc_core.store.elastic_client import Patience, ask, connect
from soc_core.store.elastic_settings import STANDARD, ElasticSettings, plain

Document = dict[str, Any]
ABOVE = 1024  # characters of a keyword that is indexed
OURS = {
    "id": "keyword", "status": "keyword", "verdict": "keyword", "assignee": "keyword", "level": "keyword",
    "incident": "keyword", "count": "long", "priority": "long", "due": "date", "entity": "keyword",
}
RELATED = {"ip": "related.ip", "user": "related.user", "host": "related.hosts", "hash": "related.hash"}


class Change(NamedTuple):
    """An alert as it stands, and the number of the latest change it shows."""

    alert: Alert
    number: int


class AlertIndex:
    """Writes alerts. Raises StoreUnavailable (an OSError) while the cluster does not answer."""

    def __init__(self, settings: ElasticSettings) -> None:
        self.settings = settings
        self.client = connect(settings)
        self._prepared = False

    def close(self) -> None:
        self.client.close()

    @property
    def name(self) -> str:
        return f"{self.settings.prefix}_alerts"

    def prepare(self) -> None:
        """The index template, where it is not as it should be."""
        if self._prepared:
            return
        template: Document = {"settings": {"index.number_of_shards": 1, "index.mapping.total_fields.limit": 4000},
                              "mappings": mappings()}
        key = "index.auto_expand_replicas" if "-" in self.settings.replicas else "index.number_of_replicas"
        template["settings"][key] = self.settings.replicas
        digest = hashlib.blake2b(orjson.dumps(template, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
        try:
            held = self._ask(lambda: self.client.indices.get_index_template(name=self.name))
            known = held["index_templates"][0]["index_template"].get("_meta", {}).get("digest")
        except NotFoundError:
            known = None
        if known != digest:
            self._ask(lambda: self.client.indices.put_index_template(
                name=self.name, index_patterns=[f"{self.name}-*"], template=template, priority=501,
                meta={"digest": digest}))
        self._prepared = True

    def put(self, changes: Sequence[Change]) -> dict[str, str]:
        """Write these; alert → why it was refused. What the index has newer is right as it is."""
        self.prepare()
        if not changes:
            return {}
        lines: list[Document] = []
        for alert, number in changes:
            index = f"{self.name}-{plain(alert.realm)}-{clock.to_datetime(alert.raised):%Y.%m}"
            lines += [{"index": {"_index": index, "_id": alert.id, "version": number, "version_type": "external_gte"}},
                      document(alert)]
        answer = self._ask(lambda: self.client.bulk(operations=lines))
        done = (item["index"] for item in answer["items"])
        return {each["_id"]: str(each["error"].get("reason", each["error"])) for each in done
                if each["status"] not in (200, 201, 409)}

    def expire(self, before: clock.Micros) -> int:
        """Delete the months that lie wholly before; how many."""
        found = self._ask(lambda: self.client.indices.resolve_index(name=f"{self.name}-*"))["indices"]
        late = f"{clock.to_datetime(before):%Y.%m}"
        old = [item["name"] for item in found if item["name"].rsplit("-", 1)[1] < late]
        for name in old:
            self._ask(lambda name=name: self.client.indices.delete(index=name, ignore_unavailable=True))
        return len(old)

    @property
    def days(self) -> int:
        """How long alerts stay: as long as the events that are kept longest."""
        return max(self.settings.retention.values(), default=self.settings.retention[STANDARD])

    def _ask(self, request: Any) -> Any:
        return ask(request, Patience(self.settings.patience))


def document(alert: Alert) -> Document:
    """An alert under its ECS names; arrays where an alert has several."""
    made: Document = {
        "@timestamp": clock.to_text(alert.raised), "event.kind": "alert", "event.id": alert.id,
        "event.created": clock.to_text(alert.raised), "event.start": clock.to_text(alert.first_seen),
        "event.end": clock.to_text(alert.last_seen), "event.severity": LEVELS.index(alert.level),
        "event.risk_score": alert.risk, "event.dataset": "soc.alert", "event.module": "soc",
        "rule.id": alert.rule_id, "rule.name": alert.title, "message": alert.explanation or alert.title,
        "threat.technique.id": alert.techniques, "organization.id": alert.organisation,
        "soc.system.id": alert.system, "soc.realm": alert.realm,
    }
    related: dict[str, list[str]] = {}
    entity = []
    for name, values in sorted(alert.entities.items()):
        entity += [f"{name}={value}" for value in values]
        column = SCHEMA.columns.get(name)
        if column is None or name in made:
            continue
        made[name] = values
        for kind in _kinds(name, column):
            related.setdefault(RELATED[kind], []).extend(values)
    made |= {name: list(dict.fromkeys(values)) for name, values in related.items()}
    own = {"id": alert.id, "status": alert.status, "verdict": alert.verdict, "assignee": alert.assignee,
           "level": alert.level, "incident": alert.incident, "count": alert.count, "priority": alert.priority,
           "due": clock.to_text(alert.due) if alert.due else None, "entity": entity}
    made |= {f"soc.alert.{name}": value for name, value in own.items()}
    return {name: value for name, value in made.items() if value not in ("", None, [])}


def _kinds(name: str, column: Column) -> Iterator[str]:
    if column.kind == "ip":
        yield "ip"
    elif name.endswith("user.name"):
        yield "user"
    elif name == "host.name":
        yield "host"
    elif ".hash." in name:
        yield "hash"


def mappings() -> Document:
    """Every declared column as plain as Kibana wants it, and ours; nothing is guessed."""
    fields: dict[str, Document] = {name: _field(column.kind) for name, column in SCHEMA.columns.items()}
    fields |= {name: _field("keyword") for name in ("threat.technique.id", "related.hash", "soc.realm")}
    fields |= {"event.severity": {"type": "long"}, "event.risk_score": {"type": "double"}}
    fields |= {f"soc.alert.{name}": _field(kind) for name, kind in OURS.items()}
    return {"dynamic": False, "date_detection": False, "properties": _nested(fields.items())}


def _nested(fields: Iterable[tuple[str, Document]]) -> Document:
    nested: Document = {}
    for name, field in fields:
        *parents, last = name.split(".")
        level = nested
        for parent in parents:
            level = level.setdefault(parent, {}).setdefault("properties", {})
        level.setdefault(last, {}).update(field)
    return nested


def _field(kind: str) -> Document:
    match kind:
        case "long" | "double" | "boolean":
            return {"type": kind}
        case "date":
            return {"type": "date", "format": "strict_date_optional_time||epoch_millis", "ignore_malformed": True}
        case "ip":
            return {"type": "ip", "ignore_malformed": True}
        case "text" | "json":
            return {"type": "text"}
    return {"type": "keyword", "ignore_above": ABOVE}
