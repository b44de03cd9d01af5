"""The pipeline and the quarantine as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from casework import pipeline, quarantine, sources
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_ui.text import number, translate

STAGES = (*sources.FATES, "pending")


@dataclass(frozen=True)
class PipelinePage:
    """What /pipeline shows: the equation over all sources, then per source, then the journal's partitions."""

    headline: str
    tone: str
    tiles: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    partitions: list[dict[str, Any]]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class QuarantinePage:
    """What /quarantine shows; `samples` belong to the group that was asked for, `note` says what the scope hides."""

    headline: str
    note: str
    groups: list[dict[str, Any]]
    samples: list[dict[str, Any]]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def pipeline_page(actor: Actor, services: Services, language: str) -> PipelinePage:
    found = pipeline.pipeline(actor, services)
    if not found.sources:
        headline = translate(language, "pipeline.headline_none")
    elif found.broken:
        headline = translate(language, "pipeline.headline_bad", n=len(found.broken))
    else:
        headline = translate(language, "pipeline.headline_ok", n=number(language, len(found.sources)))
    places = {"quarantined": "quarantine", "received": "sources"}
    tiles = [{
        "label": translate(language, f"pipeline.{name}"), "value": number(language, getattr(found.totals, name)),
        "exact": f"{getattr(found.totals, name):,}", "sub": "", "tone": "", "shape": "",
        "go": {"page": places[name], "query": {}} if name in places else None,
    } for name in ("received", *STAGES)]
    rows = []
    for item in found.sources:
        state = {"text": translate(language, "pipeline.holds"), "tone": "ok"} if not item.off_by else {
            "text": translate(language, "pipeline.broken", n=item.off_by), "tone": "bad"}
        counts = [getattr(item, name) for name in STAGES]
        rows.append({"cells": [item.source, item.realm, item.received, *counts, state], "go": None})
    return PipelinePage(
        headline, "bad" if found.broken else "", tiles, rows,
        [{"cells": [item.partition, item.mark], "go": None} for item in found.partitions], found.as_of)


def quarantine_page(actor: Actor, services: Services, language: str, reason: str = "",
                    source: str = "") -> QuarantinePage:
    """Groups; with a reason and a source also their samples. A source alone narrows the groups."""
    found = quarantine.groups(actor, services)
    groups = [item for item in found.rows if not source or reason or item.source == source]
    headline = translate(language, "quarantine.none") if not groups else translate(
        language, "quarantine.headline", n=number(language, sum(item.count for item in groups)), groups=len(groups))
    samples = quarantine.samples(actor, services, reason, source) if reason and source else []
    return QuarantinePage(
        headline,
        translate(language, "common.hidden", n=found.hidden_by_scope) if found.hidden_by_scope else "",
        [{"cells": [item.reason, item.source, item.realm, item.count, item.first, item.last],
          "go": {"page": "quarantine", "query": {"reason": item.reason, "source": item.source}}} for item in groups],
        [{"cells": [item.received, item.format or "—", item.raw], "go": None} for item in samples], found.as_of)
