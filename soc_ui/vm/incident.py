"""One incident as data: its head, the chain with reasons, what it is about, the timeline, and what may be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from casework import evidence, incidents, timeline
from casework.classes import classes
from casework.incidents import Detail
from casework.machine import machine
from casework.rights import JUDGE
from casework.services import Services
from casework.timeline import Entry
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import ENDED
from soc_core.state.incidents import Filter, Link
from soc_ui.text import number, span, time, translate
from soc_ui.vm.incidents import state

VALUES = 20  # of one field
NAMES = 60  # letters of another alert's title


@dataclass(frozen=True)
class IncidentPage:
    """What /incident shows. `actions`: (name, label) of what may be done now; `others`: (id, label) to merge with."""

    id: str
    version: int
    headline: str
    note: str
    tiles: list[dict[str, Any]]
    chain: list[dict[str, Any]]
    entities: list[dict[str, Any]]
    timeline: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    alerts: list[tuple[str, str]]
    others: list[tuple[str, int, str]]
    actions: list[tuple[str, str]]
    kinds: list[tuple[str, str]]
    kind: str
    may_change: bool
    as_of: Micros


def incident_page(actor: Actor, services: Services, language: str, incident: str) -> IncidentPage:
    """One incident. Raises NotFound."""
    found = incidents.detail(actor, services, incident)
    held = found.incident
    may = actor.has(*JUDGE) and held.status not in ENDED
    zone = services.settings.timezone
    kind = classes().get(held.kind)
    status = state(held.status, language)["text"]
    note = translate(language, "incident.head", state=status, organisation=found.organisation_name or "—")
    if kind:
        note = translate(language, "incident.with_kind", state=status, kind=kind.zh if language == "zh" else kind.en,
                         organisation=found.organisation_name or "—")
    drawn = machine("incident").transitions
    return IncidentPage(
        held.id, held.version, held.title, note, tiles(found, language, zone), chain(found, language),
        [{"cells": [field, "  ".join(values[:VALUES]) + (f"  +{len(values) - VALUES}" if len(values) > VALUES else "")],
          "go": None} for field, values in found.entities.items()],
        [entry(each, language) for each in reversed(timeline.timeline(actor, services, incident))],
        [{"cells": [each.name, each.size, each.sha256, each.at, each.actor], "go": None}
         for each in evidence.listing(actor, services, incident)],
        [(row.alert.id, f"{at}. {row.alert.title}") for at, row in enumerate(found.alerts, 1)],
        others(actor, services, found) if may else [],
        [(name, drawn[name].zh if language == "zh" else drawn[name].en) for name in found.actions],
        [(each.code, f"{each.code} {each.zh if language == 'zh' else each.en}") for each in classes().values()],
        found.kind, may or bool(found.actions), found.as_of)


def tiles(found: Detail, language: str, zone: str) -> list[dict[str, Any]]:
    held = found.incident
    values = [("risk", number(language, held.risk)), ("alerts", number(language, found.alerts_total)),
              ("first", time(held.opened, zone)), ("last", time(held.last_seen, zone)),
              ("assignee", held.assignee or "—"), ("version", number(language, held.version - 1))]
    return [{"label": translate(language, f"incident.{key}"), "value": value, "exact": "", "sub": "", "tone": "",
             "shape": "", "go": None} for key, value in values]


def chain(found: Detail, language: str) -> list[dict[str, Any]]:
    """Each alert with the reason why it is here."""
    links = {link.alert: link for link in found.chain}
    titles = {row.alert.id: row.alert.title for row in found.alerts}
    rows = []
    for row in found.alerts:
        link = links.get(row.alert.id, Link(row.alert.id, found.incident.id, "", "began"))
        rows.append({"cells": [
            row.alert.title, row.alert.level, row.alert.first_seen, reason(link, titles, language),
            stage(link, language), {"part": link.strength / 100, "text": str(link.strength)}, row.alert.count,
        ], "go": {"page": "alert", "query": {"id": row.alert.id}}})
    return rows


def reason(link: Link, titles: dict[str, str], language: str) -> str:
    if link.reason == "began":
        return translate(language, "incident.began")
    if link.reason == "moved":
        return translate(language, "incident.moved", who=link.value)
    return translate(
        language, "incident.shared" if link.gap >= 0 else "incident.shared_before",
        kind=translate(language, f"incident.kind_{link.kind}"), gap=span(language, abs(link.gap)), value=link.value,
        other=titles.get(link.other, link.other)[:NAMES])


def stage(link: Link, language: str) -> str:
    for mark, key in ((">", "incident.in_order"), ("<", "incident.against")):
        before, found, after = link.stage.partition(mark)
        if found:
            return translate(language, key, before=before, after=after)
    return "—"


def entry(each: Entry, language: str) -> dict[str, Any]:
    """A line of the timeline, latest first."""
    if each.kind == "alert":
        what = translate(language, f"incident.{each.what}")
    elif each.before or each.after:
        what = translate(language, "incident.changed", field=each.what, before=each.before or "—",
                         after=each.after or "—")
    else:
        what = translate(language, "incident.did", field=each.what, after="")
    return {"cells": [each.at, what, each.actor or "—", each.note or "—"], "go": None}


def others(actor: Actor, services: Services, found: Detail) -> list[tuple[str, int, str]]:
    """Open incidents of the same agency and realm, to merge with."""
    held = found.incident
    wanted = Filter(realm=held.realm, status="open", organisation=held.organisation)
    listed = incidents.listing(actor, services, wanted, limit=50).rows if held.organisation else []
    return [(line.incident.id, line.incident.version, line.incident.title) for line in listed
            if line.incident.id != held.id]
