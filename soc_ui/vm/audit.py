"""The audit chain as data: its entries, and what a check of it said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from casework import ledger
from casework.ledger import Checked
from casework.services import Services
from soc_core import clock
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_ui.text import number, time, translate

PAGE = 100


@dataclass(frozen=True)
class AuditPage:
    """What /audit shows; `before` asks for the older entries, 0 at the end."""

    headline: str
    rows: list[dict[str, Any]]
    before: int
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def audit_page(actor: Actor, services: Services, language: str, who: str = "", object: str = "",
               before: int | None = None) -> AuditPage:
    """Entries, the latest first. Raises Refused for who does not see the whole city."""
    found = ledger.listing(actor, services, who, object, before, PAGE + 1)
    shown = found[:PAGE]
    return AuditPage(
        translate(language, "audit.headline", n=number(language, shown[0].id)) if shown and not (
            who or object or before) else translate(language, "audit.part", n=len(shown)),
        [{"cells": [str(each.id), each.at, each.actor or "—", each.action, each.object,
                    orjson.dumps(each.detail).decode() if each.detail else ""], "go": None} for each in shown],
        shown[-1].id if len(found) > PAGE else 0, clock.now())


def verdict(found: Checked, language: str, zone: str) -> tuple[str, str]:
    """What a check said, in a sentence, and its tone."""
    if found.broken is not None:
        return translate(language, "audit.broken", n=found.broken), "bad"
    if found.unlike is not None:
        return translate(language, "audit.unlike", n=found.unlike.size, at=time(found.unlike.at, zone)), "bad"
    return translate(language, "audit.whole", n=number(language, found.entries), held=found.held,
                     head=found.head[:16]), "ok"
