"""Which pages there are, who sees them, and in what order the navigation lists them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from casework.rights import RIGHTS
from soc_core.access import Actor, Role

if TYPE_CHECKING:
    from soc_ui.console import Console

CENTRE = frozenset({Role.ANALYST, Role.SHIFT_LEAD, Role.COMMANDER, Role.RULE_AUTHOR, Role.REGULATOR, Role.SYSTEM_ADMIN})
TRIAGE = frozenset({Role.ANALYST, Role.SHIFT_LEAD, Role.COMMANDER, Role.RULE_AUTHOR})
EXERCISE = frozenset({Role.RED, Role.BLUE, Role.JUDGE, Role.CONTROLLER, Role.REGULATOR, Role.SECURITY_AUDITOR})
OPERATE = frozenset({Role.SYSTEM_ADMIN, Role.ANALYST, Role.SHIFT_LEAD, Role.SECURITY_AUDITOR})
AGENCY = frozenset({Role.AGENCY_ADMIN})
AUDIT = frozenset({Role.SECURITY_AUDITOR})
EVERYONE = frozenset(Role)


@dataclass(frozen=True)
class Place:
    """A page: its path, the section that lists it ("" for none), and the roles that have it."""

    path: str
    section: str
    roles: frozenset[Role]

    def show(self, console: Console) -> None:
        run: Callable[[Console], None] = self.module().show
        run(console)

    def module(self) -> ModuleType:
        return importlib.import_module(f"soc_ui.views.{self.path}")


PLACES = (
    Place("audit", "govern", AUDIT),
    Place("accounts", "govern", AUDIT | {Role.SECURITY_ADMIN}),
    Place("overview", "watch", CENTRE),
    Place("alerts", "watch", TRIAGE | AGENCY),
    Place("alert", "", TRIAGE | AGENCY),
    Place("incidents", "watch", TRIAGE | AGENCY | {Role.REGULATOR}),
    Place("incident", "", TRIAGE | AGENCY | {Role.REGULATOR}),
    Place("unit", "own", TRIAGE | AGENCY | {Role.REGULATOR}),
    Place("compliance", "own", TRIAGE | AGENCY | {Role.REGULATOR, Role.SECURITY_AUDITOR}),
    Place("sources", "operate", OPERATE | AGENCY),
    Place("pipeline", "operate", OPERATE),
    Place("quarantine", "operate", OPERATE),
    Place("unowned", "operate", RIGHTS["events.unowned"]),
    Place("rules", "operate", OPERATE | {Role.RULE_AUTHOR}),
    Place("indicators", "operate", RIGHTS["threats.listing"]),
    Place("drill", "train", TRIAGE | EXERCISE),
    Place("account", "me", EVERYONE),
)


def of(actor: Actor) -> list[Place]:
    """The pages of an actor, his landing page first: an agency lands on its own page, the centre on the overview."""
    mine = [place for place in PLACES if actor.has(*place.roles)]
    if actor.has(Role.AGENCY_ADMIN) and not actor.has(*CENTRE):
        mine.sort(key=lambda place: place.path != "unit")
    return mine


def load() -> None:
    """Import every page, so that the first visitor does not wait for it."""
    for place in PLACES:
        place.module()
