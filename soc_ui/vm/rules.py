"""The page of rules as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from casework import rule_health
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_ui import text
from soc_ui.text import number, translate


@dataclass(frozen=True)
class RulesPage:
    """What /rules shows: one sentence, then what cannot see, what was set aside, exceptions, and what fired."""

    headline: str
    tone: str
    sight: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    exceptions: list[dict[str, Any]]
    fired: list[dict[str, Any]]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def rules_page(actor: Actor, services: Services, language: str) -> RulesPage:
    """Rule health, in the reader's language."""
    found = rule_health.health(actor, services)
    counts = {"loaded": found.loaded, "blind": len(found.blind), "partly": len(found.partly),
              "failed": len(found.failed)}
    words = {name: number(language, count) for name, count in counts.items()}
    name = "headline_none" if not found.as_of else "headline_bad" if found.failed else "headline_ok"
    sight = [({"text": translate(language, f"rules.{kind}"), "tone": tone}, each) for kind, tone, rows in
             (("blind", "bad", found.blind), ("partly", "warn", found.partly)) for each in rows]
    return RulesPage(
        translate(language, f"rules.{name}", **words), "bad" if found.failed else "",
        [{"cells": [state, each["title"], "；".join(each["missing"]), each["id"]]} for state, each in sight],
        [{"cells": [f"{Path(each['path']).name}:{each['line']}", each["error"]]} for each in found.failed],
        [{"cells": [each["rule"], each["owner"], each["reason"], each["expires"], each["suppressed"],
                    f"{Path(each['path']).name}:{each['line']}"]} for each in found.exceptions],
        [{"cells": [each.title, each.alerts, each.last, each.judged,
                    "—" if each.precision is None else text.share_between(each.precision, each.low, each.high),
                    each.rule]} for each in found.fired],
        found.as_of,
    )
