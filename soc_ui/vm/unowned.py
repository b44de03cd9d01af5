"""The inbox of unknown owners as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from casework import events
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import REAL
from soc_core.protocols import Page
from soc_ui.text import number, translate

SHOWN = 50


@dataclass(frozen=True)
class UnownedPage:
    """What /unowned shows; `next` asks for the older ones, "" at the end."""

    headline: str
    tone: str
    sources: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    next: str
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def unowned_page(actor: Actor, services: Services, language: str, after: str = "") -> UnownedPage:
    """Real events that are nobody's. Raises Refused for who does not see the whole city."""
    found = events.unowned(actor, services, REAL, Page(SHOWN, after))
    rows = [{"cells": [row.get("@timestamp"), str(row.get("soc.source") or "—"), str(row.get("soc.zone") or "—"),
                       str(row.get("host.name") or row.get("host.ip") or row.get("source.ip") or "—"),
                       str(row.get("event.original") or row.get("message") or "")], "go": None} for row in found.rows]
    headline = translate(language, "unowned.headline", n=number(language, found.total)) if found.total else translate(
        language, "unowned.none")
    return UnownedPage(headline, "warn" if found.total else "", [
        {"cells": [str(each.key), each.n], "go": {"page": "sources", "query": {"source": str(each.key)}}}
        for each in found.sources], rows, found.next, found.as_of)
