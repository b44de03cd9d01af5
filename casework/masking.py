"""Names, telephones and identity numbers: hidden from everybody, shown to who says why. 脱敏

Everything that services tell of events and alerts goes through here; `reveal` is the one way to one event as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from casework import lookers
from casework.rights import service
from casework.services import NotFound, Services
from soc_core import personal
from soc_core.access import Actor
from soc_core.models import REAL, Alert, Incident
from soc_core.personal import masked
from soc_core.protocols import Bucket

SHORTEST = 4  # a reason in fewer letters is none


def alert(found: Alert) -> Alert:
    """An alert as it may be shown; a name among its entities is hidden in its texts, too."""
    names = [value for field, values in found.entities.items() if personal.PERSONAL.get(field) == "name"
             for value in values if len(value) > 1]
    changes: dict[str, Any] = {
        "title": nameless(masked(found.title), names), "explanation": nameless(masked(found.explanation), names),
        "group": {name: masked(value, personal.PERSONAL.get(name)) for name, value in found.group.items()},
        "entities": {name: [masked(value, personal.PERSONAL.get(name)) for value in values]
                     for name, values in found.entities.items()},
    }
    return found.model_copy(update=changes)


def nameless(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = text.replace(name, masked(name, "name"))
    return text


def incident(found: Incident) -> Incident:
    """An incident as it may be shown."""
    return found.model_copy(update={"title": masked(found.title)})


def rows(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stored events as they may be shown: a name that a column says is one is hidden in the row's other texts, too."""
    shown = []
    for row in found:
        made = personal.without(row)
        for column, kind in personal.PERSONAL.items():
            name = row.get(column)
            if kind == "name" and isinstance(name, str) and len(name) > 1:
                made = {field: replaced(value, name, masked(name, "name")) for field, value in made.items()}
        shown.append(made)
    return shown


def replaced(value: Any, name: str, by: str) -> Any:
    if isinstance(value, str):
        return value.replace(name, by)
    if isinstance(value, list):
        return [replaced(each, name, by) for each in value]
    if isinstance(value, dict):
        return {field: replaced(each, name, by) for field, each in value.items()}
    return value


def buckets(found: Iterable[Bucket], field: str) -> list[Bucket]:
    """Counts by a field's values, which may be personal."""
    kind = personal.PERSONAL.get(field)
    return [each._replace(key=masked(each.key, kind)) if isinstance(each.key, str) else each for each in found]


@service
def reveal(actor: Actor, services: Services, event: str, reason: str, realm: str = REAL) -> dict[str, Any]:
    """One event as it came, with what is personal in it. Raises ValueError without a reason, NotFound."""
    from casework import events

    reason = reason.strip()
    if len(reason) < SHORTEST:
        raise ValueError(f"say in at least {SHORTEST} letters why you need to see it")
    held = events.store(services, realm)
    found = next(iter(held.get([event], actor.scope)), None) if held else None
    if found is None:
        raise NotFound(f"no event {event!r}")
    lookers.note(services, actor, "reveal", f"event:{event}", lookers.owners([found]), reason)
    return dict(found)
