"""One alert as data: why it fired, what it is about, its events with the matching parts marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from casework import alerts
from casework.alerts import Detail, Event
from casework.rules import SHORTEST, About, Shelf
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.state.alerts import Change
from soc_ui.text import translate
from soc_ui.vm.queue import QueueFilter, entity_name

Spans = list[tuple[int, int]]
SPANS = 200
HEAD = ("id", "version", "level", "risk", "title", "rule_id", "count", "first_seen", "last_seen", "techniques", "realm",
        "status", "verdict", "assignee", "explanation")


@dataclass(frozen=True)
class AlertView:
    """What /alert shows. Spans are [start, end) in code points of the text beside them."""

    alert: dict[str, Any]
    rule: dict[str, Any]
    conditions: list[dict[str, Any]]
    events: list[dict[str, Any]]
    events_total: int
    history: list[dict[str, Any]]
    previous: str
    following: str
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def alert_full(actor: Actor, services: Services, shelf: Shelf, language: str, alert: str,
               wanted: QueueFilter) -> AlertView:
    """One alert of the actor's scope, and its neighbours in the queue that it was opened from. Raises NotFound."""
    found = alerts.detail(actor, services, alert)
    item = found.row.alert
    rule = shelf.get(item.rule_id)
    known = literals(found, rule)
    before, after = alerts.neighbours(actor, services, item, wanted.of(actor, found.as_of))
    head = {name: getattr(item, name) for name in HEAD} | {
        "organisation_name": found.row.organisation_name, "system_name": found.row.system_name,
        "entities": [(entity_name(language, name), some[:20]) for name, some in item.entities.items() if some]}
    return AlertView(
        head, {"description": rule.description, "falsepositives": list(rule.falsepositives)},
        why(found, language), [shown(event, known) for event in found.events], found.events_total,
        [told(change, language) for change in found.history], before, after, found.as_of)


def literals(found: Detail, rule: About) -> list[str]:
    """Texts to mark in the records: what the rule looks for, and what the alert is about."""
    wanted = [part for item in rule.conditions if item.op not in ("re", "cidr", "gt", "gte", "lt", "lte", "exists")
              for part in re.split(r"(?<!\\)[*?]", item.value)]
    wanted += [match.value for match in found.matches]
    return sorted({text for text in wanted if len(text) >= SHORTEST}, key=lambda text: (-len(text), text))


def spans(text: str, wanted: Sequence[str]) -> Spans:
    """Where any of the literals stands in a text, in any case; at most 200 places."""
    usable = [item for item in wanted if len(item) >= SHORTEST]
    if not usable or not text:
        return []
    pattern = re.compile("|".join(map(re.escape, usable)), re.IGNORECASE)
    found: Spans = []
    for hit in pattern.finditer(text):
        found.append(hit.span())
        if len(found) == SPANS:
            break
    return found


def shown(event: Event, wanted: Sequence[str]) -> dict[str, Any]:
    """An event as fields, raw text and JSON, with marks."""
    fields = []
    for name, value in event.fields.items():
        if value == event.raw:
            continue  # it stands above, whole
        text = readable(value)
        fields.append((name, text, spans(text, wanted)))
    pretty = orjson.dumps({"event.id": event.id, **event.fields}, option=orjson.OPT_INDENT_2).decode()
    return {"id": event.id, "at": event.at, "ingested": event.ingested, "source": event.source, "raw": event.raw,
            "spans": spans(event.raw, wanted), "fields": fields, "json": pretty}


def readable(value: Any) -> str:
    """A field's value on one line: text as it is, a list of texts joined, anything else as JSON."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def why(found: Detail, language: str) -> list[dict[str, Any]]:
    """The table of what met the rule."""
    return [
        {"field": match.field, "op": translate(language, f"op.{match.op}"), "value": match.value,
         "spans": [(0, len(match.value))] if match.op != "group" else []}
        for match in found.matches
    ]


def told(change: Change, language: str) -> dict[str, Any]:
    """One line of history."""
    def word(value: str) -> str:
        key = {"status": f"ui.status_{value}", "verdict": f"ui.verdict_{value}"}.get(change.field, "")
        return translate(language, key) if key and value else value or "—"

    known = change.field in ("status", "verdict", "assignee")
    what = translate(language, f"alert.changed_{change.field if known else 'other'}", field=change.field,
                     before=word(change.before), after=word(change.after))
    return {"at": change.at, "who": change.actor, "what": f"{what} · {change.note}" if change.note else what}
