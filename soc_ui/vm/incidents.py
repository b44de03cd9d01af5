"""The list of incidents as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from casework import incidents, metrics
from casework.machine import machine
from casework.metrics import STAGES
from casework.services import Services
from soc_core import clock
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import LEVELS
from soc_core.state.incidents import Filter
from soc_ui.text import number, span, translate

SHOWN = 200
TONES = {"new": "bad", "triaging": "warn", "confirmed": "bad", "containing": "bad", "eradicating": "warn",
         "recovering": "warn", "monitoring": "ok", "closed": "quiet", "false_positive": "quiet", "merged": "quiet"}


@dataclass(frozen=True)
class IncidentsPage:
    """What /incidents shows."""

    headline: str
    tone: str
    note: str
    tiles: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    as_of: Micros


def state(status: str, language: str) -> dict[str, str]:
    """A state as a cell."""
    known = machine("incident").states[status]
    return {"text": known.zh if language == "zh" else known.en, "tone": TONES.get(status, "quiet")}


def incidents_page(actor: Actor, services: Services, language: str, every: bool = False,
                   level: str = "") -> IncidentsPage:
    """Incidents in the actor's scope, the open ones or all, with the four times of the last 30 days."""
    chosen: Any = level if level in LEVELS else ""
    found = incidents.listing(actor, services, Filter(status="" if every else "open", level=chosen), limit=SHOWN)
    grave = incidents.listing(actor, services, Filter(status="open", level="high"), limit=1).total
    if every or chosen:
        headline = translate(language, "incidents.listed", n=number(language, found.total))
    elif found.total:
        headline = translate(language, "incidents.some", n=number(language, found.total), grave=grave)
    else:
        headline = translate(language, "incidents.none")
    hidden = translate(language, "incidents.hidden", n=found.hidden_by_scope) if found.hidden_by_scope else ""
    rows = [{"cells": [
        line.incident.title, line.incident.level, state(line.incident.status, language), line.organisation_name or "—",
        line.alerts, line.incident.risk, line.incident.assignee or "—", line.incident.raised, line.incident.last_seen,
    ], "go": {"page": "incident", "query": {"id": line.incident.id}}} for line in found.rows]
    return IncidentsPage(headline, "bad" if grave else "", hidden, tiles(actor, services, language), rows, found.as_of)


def tiles(actor: Actor, services: Services, language: str) -> list[dict[str, Any]]:
    """Mean times to detect, acknowledge, contain and recover."""
    whole = metrics.times(actor, services, since=clock.now() - 30 * clock.DAY)
    made = []
    for stage in STAGES:
        took = getattr(whole[0], stage) if whole else None
        value = span(language, int(took.mean)) if took and took.mean is not None else "—"
        sub = translate(language, "incidents.times_of", n=took.n, open=took.open) if took else ""
        made.append({"label": translate(language, f"incidents.{stage}"), "value": value, "exact": "", "sub": sub,
                     "tone": "", "shape": "", "go": None})
    return made
