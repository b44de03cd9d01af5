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
SPANS, MET = 200, 12
UNMARKED = ("re", "cidr", "gt", "gte", "lt", "lte", "exists")
PLACES = ("organization.id", "soc.system.id")  # they say where, not why
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
        head, {"title": rule.title, "description": "" if rule.description == item.explanation else rule.description,
               "falsepositives": list(rule.falsepositives), "author": rule.author, "license": rule.license},
        why(found, rule, language), [shown(event, known) for event in found.events], found.events_total,
        [told(change, language) for change in found.history], before, after, found.as_of)


def literals(found: Detail, rule: About) -> list[str]:
    """Texts to mark in the records: what the rule looks for, and what the alert is about."""
    wanted = [part for item in rule.conditions if item.op not in UNMARKED for part in literal_parts(item.value)]
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


def whole(row: dict[str, Any]) -> str:
    """A revealed event: the record as it came, then its fields; what does not show, or turns text round, as ⟨202E⟩."""
    raw = str(row.get("event.original") or row.get("message") or "")
    fields = [f"{name}: {readable(value)}" for name, value in sorted(row.items())
              if value is not None and name not in ("event.original", "message", "sigma.logsource")]
    return "".join(letter if letter.isprintable() or letter in "\n\t" else f"⟨{ord(letter):04X}⟩"
                   for letter in "\n".join([raw, "", *fields]))


def readable(value: Any) -> str:
    """A field's value on one line: text as it is, a list of texts joined, anything else as JSON."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def why(found: Detail, rule: About, language: str) -> list[dict[str, Any]]:
    """The table of what met the rule: fields of the first event that hold what it looks for, then the group."""
    met = met_fields(found.events[0], rule) if found.events else {}
    rows = [
        {"field": name, "op": translate(language, f"op.{op}"), "value": text, "spans": spans(text, wanted)}
        for name, (op, text, wanted) in list(met.items())[:MET]
    ]
    return rows + [
        {"field": match.field, "op": translate(language, f"op.{match.op}"), "value": match.value, "spans": []}
        for match in found.matches if match.field not in met and match.op == "group" and match.field not in PLACES
    ]


def met_fields(event: Event, rule: About) -> dict[str, tuple[str, str, list[str]]]:
    """Field → (how, its text, the literals of the rule that it holds). A rule's own field name comes first; where
    the record has it under another, the shortest value that holds the literal is the closest."""
    texts = {name: readable(value) for name, value in event.fields.items()}
    by_length = sorted(texts, key=lambda name: (len(texts[name]), name))
    met: dict[str, tuple[str, str, list[str]]] = {}
    for item in rule.conditions:
        if item.op in UNMARKED:
            continue
        for part in literal_parts(item.value):
            order = [item.field, *by_length] if item.field in texts else by_length
            name = next((name for name in order if part.lower() in texts[name].lower()), None)
            if name is not None:
                met.setdefault(name, (item.op, texts[name], []))[2].append(part)
    return met


def literal_parts(value: str) -> list[str]:
    """What stands between the wildcards of a rule's value, where it is long enough to mean something."""
    return [part for part in re.split(r"(?<!\\)[*?]", value) if len(part) >= SHORTEST]


def told(change: Change, language: str) -> dict[str, Any]:
    """One line of history."""
    def word(value: str) -> str:
        key = {"status": f"ui.status_{value}", "verdict": f"ui.verdict_{value}"}.get(change.field, "")
        return translate(language, key) if key and value else value or "—"

    known = change.field in ("status", "verdict", "assignee")
    what = translate(language, f"alert.changed_{change.field if known else 'other'}", field=change.field,
                     before=word(change.before), after=word(change.after))
    return {"at": change.at, "who": change.actor, "what": f"{what} · {change.note}" if change.note else what}
