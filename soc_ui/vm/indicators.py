"""Threat indicators as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from casework import threats
from casework.services import Services
from casework.threats import Taken
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_ui.text import number, translate

KINDS = ("ip", "net", "domain", "url", "hash")


@dataclass(frozen=True)
class IndicatorsPage:
    """What /indicators shows. `standing` are those on this page that still match, as id → value."""

    headline: str
    rows: list[dict[str, Any]]
    standing: dict[str, str]
    next: str
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def indicators_page(actor: Actor, services: Services, language: str, kind: str = "", text: str = "",
                    after: str = "") -> IndicatorsPage:
    """A page of them, the latest changed first. Raises ValueError on a key that is none of this list."""
    found = threats.listing(actor, services, kind, "", text, after)
    rows = []
    for each in found.rows:
        over = each.valid_until is not None and each.valid_until <= found.as_of
        state, tone = ("revoked", "quiet") if each.revoked else ("over", "quiet") if over else ("valid", "ok")
        rows.append({"cells": [each.value, translate(language, f"indicators.kind_{each.kind}"), each.level, each.name,
                               each.feed, {"text": translate(language, f"account.{state}"), "tone": tone},
                               each.valid_until, each.changed],
                     "go": {"page": "alerts", "query": {"rule": f"indicator:{each.id}", "view": "all"}}})
    return IndicatorsPage(
        translate(language, "indicators.headline", n=number(language, found.total)), rows,
        {each.id: each.value for each in found.rows if not each.revoked}, found.next, found.as_of)


def taken(found: Taken, language: str) -> str:
    """What became of a feed, in a sentence, with the first refusals."""
    said = translate(language, "indicators.taken", new=found.new, changed=found.changed, known=found.known,
                     refused=len(found.refused))
    return "\n".join([said, *(f"{each.where}: {each.reason}" for each in found.refused[:5])])
