"""The page of sources as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from casework import sources
from casework.services import Services
from casework.sources import Source
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_ui.text import number, span, translate

TONES = {"alive": "ok", "silent": "bad", "unknown": "quiet"}


@dataclass(frozen=True)
class SourcesPage:
    """What /sources shows: one sentence, then rows for the table in the order of its columns."""

    headline: str
    tone: str
    rows: list[dict[str, Any]]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def sources_page(actor: Actor, services: Services, language: str, silent_only: bool = False) -> SourcesPage:
    """Sources in the actor's scope."""
    found = sources.listing(actor, services)
    silent = [item for item in found.rows if item.health == "silent"]
    shown = silent if silent_only else found.rows
    if not found.total:
        headline = translate(language, "sources.headline_none")
    elif silent:
        headline = translate(language, "sources.headline_bad", bad=number(language, len(silent)), n=found.total)
    elif limited := sum(item.health == "alive" for item in found.rows):
        headline = translate(language, "sources.headline_ok", n=number(language, limited), all=found.total)
    else:
        headline = translate(language, "sources.headline_unknown", n=number(language, found.total))
    return SourcesPage(headline, "bad" if silent else "", [row(item, language) for item in shown], found.as_of)


def row(item: Source, language: str) -> dict[str, Any]:
    """One line: which source, how it stands, when it was heard, where its records went."""
    state = {"text": translate(language, f"sources.{item.health}"), "tone": TONES[item.health]}
    limit = span(language, item.silent_after) if item.silent_after else "—"
    if item.learned:
        limit = translate(language, "sources.learned", limit=limit)
    go = {"page": "quarantine", "query": {"source": item.source}} if item.quarantined else {
        "page": "sources", "query": {"source": item.source, "realm": item.realm}}
    return {"cells": [
        item.source, item.realm, state, item.organisation_name or "—", item.last_event or None, limit, item.received,
        item.stored, item.duplicate, item.merged, item.quarantined, item.shed, item.pending, item.events,
    ], "go": go}
