"""The overview as data: one sentence, tiles that open what they count, two tables, the last 24 hours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from casework import overview
from casework.overview import Overview
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_ui.text import number, translate


@dataclass(frozen=True)
class OverviewPage:
    """`hours` are (start in microseconds, alerts of high and above, others)."""

    headline: str
    tone: str
    note: str
    tiles: list[dict[str, Any]]
    organisations: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    hours: list[tuple[Micros, int, int]]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def overview_page(actor: Actor, services: Services, language: str) -> OverviewPage:
    """The actor's own overview."""
    found = overview.overview(actor, services)
    headline, tone = answer(found, language)
    notes = []
    if found.sources_silent:
        notes.append(translate(language, "overview.silent", n=found.sources_silent))
    if found.hidden_by_scope:
        notes.append(translate(language, "overview.hidden", n=number(language, found.hidden_by_scope)))
    return OverviewPage(
        headline, tone, " ".join(notes), tiles(found, language),
        [row([item.name or "—", item.n], {"org": item.key}) for item in found.by_organisation],
        [row([item.name, item.n], {"rule": item.key}) for item in found.by_rule], found.hours, found.as_of)


def answer(found: Overview, language: str) -> tuple[str, str]:
    """What to worry about first. Demo alerts are never reported as if they were real."""
    if found.real_open_high:
        return translate(language, "overview.busy", n=number(language, found.real_open_high),
                         critical=number(language, found.real_open_critical)), "bad"
    if found.open_high:
        return translate(language, "overview.demo_busy", n=number(language, found.open_high),
                         critical=number(language, found.open_critical)), ""
    return translate(language, "overview.calm"), ""


def tiles(found: Overview, language: str) -> list[dict[str, Any]]:
    """Numbers, each with the list that it counts."""
    def tile(key: str, value: int, page: str, query: dict[str, str], sub: str = "", tone: str = "",
             shape: str = "") -> dict[str, Any]:
        return {"label": translate(language, f"overview.{key}"), "value": number(language, value),
                "exact": f"{value:,}", "sub": sub, "tone": tone, "shape": shape, "go": {"page": page, "query": query}}

    alive = translate(language, "overview.sources_sub", n=found.sources_alive)
    return [
        tile("open", found.open, "alerts", {}),
        tile("high", found.open_high, "alerts", {"level": "high"}, tone="high", shape="■"),
        tile("mine", found.mine, "alerts", {"view": "mine"}),
        tile("today", found.today, "alerts", {"view": "all", "hours": "24"}),
        tile("closed", found.closed_today, "alerts", {"view": "closed", "hours": "24"}),
        tile("sources", found.sources, "sources", {}, sub=alive),
        tile("silent_sources", found.sources_silent, "sources", {"show": "silent"},
             tone="critical" if found.sources_silent else "ok", shape="▲" if found.sources_silent else "●"),
        tile("quarantined", found.quarantined, "quarantine", {}),
        tile("events", found.received, "pipeline", {}),
    ]


def row(cells: list[Any], query: dict[str, str]) -> dict[str, Any]:
    return {"cells": cells, "go": {"page": "alerts", "query": query}}
