"""The last drill as data: what was done, what was seen of it, by which rule, after how long."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from casework import drills
from casework.drills import Drill
from casework.services import NotFound, Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_ui.text import number, share, time, translate


@dataclass(frozen=True)
class DrillPage:
    """What /drill shows; `headline` is all there is when no drill was run yet."""

    headline: str
    note: str
    tiles: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    earlier: list[dict[str, Any]]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def drill_page(actor: Actor, services: Services, language: str, chosen: str = "") -> DrillPage:
    """One drill, the latest by default. Raises NotFound for an id that is not there."""
    found = drills.listing(actor, services)
    if not found.rows and not chosen:
        hidden = translate(language, "common.hidden", n=found.hidden_by_scope) if found.hidden_by_scope else ""
        return DrillPage(translate(language, "drill.none"), hidden, [], [], [], found.as_of)
    shown = next((item for item in found.rows if item.id == chosen), None) if chosen else found.rows[0]
    if shown is None:
        shown = drills.get(actor, services, chosen)
    steps = steps_of(shown)
    if not steps:
        raise NotFound(f"drill {shown.id!r} has no result")
    zone = services.settings.timezone
    return DrillPage(
        translate(language, "drill.headline", title=title(shown, language), steps=len(steps),
                  detected=sum(bool(step.get("detected")) for step in steps)),
        translate(language, "drill.when", at=time(shown.started, zone), seed=shown.seed), tiles(shown, language),
        [step_row(step, language) for step in steps], [drill_row(item, language) for item in found.rows], found.as_of)


def steps_of(drill: Drill) -> list[dict[str, Any]]:
    """The steps with their outcome; a result that only counts them has none."""
    steps = drill.result.get("steps")
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def title(drill: Drill, language: str) -> str:
    names = drill.result.get("name")
    named = names.get("zh" if language == "zh" else "en") if isinstance(names, dict) else names
    return str(named or drill.scenario)


def step_row(step: dict[str, Any], language: str) -> dict[str, Any]:
    seen = bool(step.get("detected"))
    name = step.get("title_zh") if language == "zh" else step.get("title")
    after = step.get("after_seconds")
    state = {"text": translate(language, "drill.detected" if seen else "drill.missed"), "tone": "ok" if seen else "bad"}
    return {"cells": [
        str(step.get("no") or "—"), str(name or step.get("title") or "—"), str(step.get("technique") or "—"), state,
        str(step.get("rule") or step.get("rule_id") or "—"), translate(language, "span.s", n=f"{after:,.0f}")
        if isinstance(after, int | float) else "—",
    ], "go": None}


def drill_row(drill: Drill, language: str) -> dict[str, Any]:
    steps = steps_of(drill)
    seen = sum(bool(step.get("detected")) for step in steps)
    part = seen / len(steps) if steps else 0.0
    return {"cells": [title(drill, language), drill.started, {"part": part, "text": share(seen, len(steps))},
                      drill.result.get("false_alerts")], "go": {"page": "drill", "query": {"id": drill.id}}}


def tiles(drill: Drill, language: str) -> list[dict[str, Any]]:
    """The figures of one drill; they count what stands in the table below, so they lead nowhere else."""
    steps = steps_of(drill)
    seen = sum(bool(step.get("detected")) for step in steps)
    median = drill.result.get("delay_median_seconds")
    values = [
        ("tile_detected", share(seen, len(steps)), "drilled"),
        ("tile_false", number(language, drill.result.get("false_alerts")), ""),
        ("tile_median", "—" if median is None else translate(language, "span.s", n=f"{median:,.0f}"), ""),
        ("tile_alerts", number(language, drill.result.get("alerts")), ""),
    ]
    return [{"label": translate(language, f"drill.{key}"), "value": value, "exact": "", "sub": "", "tone": tone,
             "shape": "■" if tone else "", "go": None} for key, value, tone in values]
