"""The agency's own page as data: headline answers, tasks, the register, open alerts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from casework import agency
from casework.agency import Agency, Task
from casework.lookers import Look
from casework.register import ExpectedSource
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_ui.text import age, number, span, translate


@dataclass(frozen=True)
class Unit:
    """What /unit shows. Tasks and tables are ready for components; texts are in the reader's language."""

    id: str
    name: str
    watched: str
    watched_tone: str
    happened: str
    tasks: list[dict[str, Any]]
    more: str
    register: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


ORDER = ("late", "never", "heard", "gap")
TONES = {"heard": "ok", "late": "bad", "never": "warn", "gap": "quiet"}


def unit_home(actor: Actor, services: Services, language: str, organisation: str) -> Unit:
    """The page of one agency. Raises NotFound for one that is not the actor's to see."""
    found = agency.status(actor, services, organisation)
    watched, tone = answer(found, language)
    happened = translate(language, "unit.happened_some", n=number(language, found.open_alerts), high=found.open_high)
    return Unit(
        found.id, found.name, watched, tone,
        happened if found.open_alerts else translate(language, "unit.happened_none"),
        [task(item, language, found.as_of) for item in found.tasks],
        translate(language, "unit.more", n=found.more_tasks) if found.more_tasks else "",
        [line(item, language) for item in sorted(found.sources, key=lambda item: ORDER.index(item.state))],
        [{"cells": [item.title, item.level, item.realm, item.system_name, item.count, item.last_seen],
          "go": {"page": "alert", "query": {"id": item.id}}} for item in found.alerts],
        found.as_of)


def answer(found: Agency, language: str) -> tuple[str, str]:
    """Am I being watched, in one sentence, and its tone."""
    last = age(language, found.last_event, found.as_of)
    if not found.expected:
        return translate(language, "unit.watched_unregistered", last=last), "warn"
    if not found.connected and not found.last_event:
        return translate(language, "unit.watched_no", expected=found.expected), "bad"
    key = "watched_yes" if found.connected == found.expected else "watched_partly"
    return translate(language, f"unit.{key}", expected=found.expected, connected=found.connected, last=last), (
        "ok" if key == "watched_yes" else "warn")


def task(item: Task, language: str, now: Micros) -> dict[str, Any]:
    """One task: verb, what is known, one button."""
    if item.alert is not None:
        sub = translate(
            language, "unit.task_alert_sub", level=translate(language, f"ui.level_{item.alert.level}"),
            system=item.alert.system_name or "—", count=number(language, item.alert.count),
            last=age(language, item.alert.last_seen, now))
        return {"text": translate(language, "unit.task_alert", title=item.alert.title), "sub": sub,
                "tone": "bad" if item.alert.level == "critical" else "warn" if item.alert.level == "high" else "",
                "button": translate(language, "unit.open"), "go": {"page": "alert", "query": {"id": item.alert.id}},
                "realm": item.alert.realm}
    assert item.source is not None
    kind = translate(language, f"code.{item.source.code}")
    sub = translate(language, f"unit.task_{item.kind}_sub", last=age(language, item.source.last, now),
                    limit=span(language, item.source.every), system=item.source.system_name, kind=kind)
    return {"text": translate(language, f"unit.task_{item.kind}", system=item.source.system_name, kind=kind,
                              n=item.count),
            "sub": sub, "tone": "warn" if item.kind == "silent" else "",
            "button": translate(language, "unit.look") if item.kind == "silent" else "",
            "go": {"page": "sources", "query": {"show": "silent"}} if item.kind == "silent" else None, "realm": ""}


def line(item: ExpectedSource, language: str) -> dict[str, Any]:
    """One line of the register."""
    state = {"text": translate(language, f"unit.{item.state}"), "tone": TONES[item.state]}
    return {"cells": [item.system_name, translate(language, f"code.{item.code}"), state, item.last,
                      span(language, item.every)], "go": None}


ACTS = ("events.search", "events.aggregate", "events.get", "alert.events", "quarantine.samples", "reveal")


def look_line(look: Look, language: str) -> dict[str, Any]:
    """One line of who looked."""
    known = look.action in ACTS
    what = translate(language, f"looks.{look.action.replace('.', '_')}") if known else look.action
    return {"cells": [look.at, look.actor, what, look.object, look.reason], "go": None}
