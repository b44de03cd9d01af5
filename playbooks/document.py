"""Playbooks as documents: what sets one off, and its steps.

    id: notify_on_high
    title: 高危告警通知 Tell of high alerts
    trigger: {topics: [alert.raised], level: high, rules: [], techniques: [], realms: [real]}
    steps:
      - {action: notify_file, args: {message: "{alert.title}"}, on_error: retry}

In arguments, {alert.title} and the other FIELDS stand for the alert's; a text that is one such place alone takes
the value as it is (a number, a list). What a playbook names wrongly is found when it is read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from soc_core import documents, registry
from soc_core.models import LEVELS, REAL, Level

log = logging.getLogger(__name__)

ACTIONS = "playbooks.actions"
TOPICS = ("alert.raised", "alert.updated")
FIELDS = frozenset({
    *(f"alert.{name}" for name in (
        "id", "rule_id", "title", "level", "count", "first_seen", "last_seen", "group", "entities", "organisation",
        "system", "techniques", "risk", "realm", "incident", "explanation")),
    "playbook.id", "playbook.title", "run.id",
})
PLACE = re.compile(r"\{([A-Za-z_]\w*(?:\.\w+)*)\}")

Plain = Any  # what YAML and JSON can both hold


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trigger(Strict):
    """What sets a playbook off; an empty list does not narrow. `level`: that and above. A technique covers its
    sub-techniques."""

    topics: list[Literal["alert.raised", "alert.updated"]] = ["alert.raised", "alert.updated"]
    level: Level = "informational"
    rules: list[str] = []
    techniques: list[str] = []
    realms: list[str] = [REAL]

    def fires(self, topic: str, alert: Mapping[str, Any]) -> bool:
        """Whether an alert (as the outbox tells it) sets it off."""
        if topic not in self.topics or LEVELS.index(alert["level"]) < LEVELS.index(self.level):
            return False
        if alert["realm"] not in self.realms or (self.rules and alert["rule_id"] not in self.rules):
            return False
        return not self.techniques or any(
            have == want or have.startswith(want + ".") for have in alert["techniques"] for want in self.techniques)


class Step(Strict):
    """One action. `on_error`: retry the run later, stop it, or continue with the next step."""

    action: str
    args: dict[str, Plain] = {}
    on_error: Literal["retry", "stop", "continue"] = "retry"

    @field_validator("action")
    @classmethod
    def _known(cls, action: str) -> str:
        try:
            registry.get(ACTIONS, action)
        except LookupError as error:
            raise ValueError(str(error)) from None
        return action

    @model_validator(mode="after")
    def _fits(self) -> Step:
        wanted = registry.get(ACTIONS, self.action).Args.model_fields
        if unknown := sorted(set(self.args) - set(wanted)):
            raise ValueError(f"{self.action} takes no {', '.join(unknown)}; it takes {', '.join(sorted(wanted))}")
        if missing := sorted(name for name, field in wanted.items() if field.is_required() and name not in self.args):
            raise ValueError(f"{self.action} needs {', '.join(missing)}")
        if strange := sorted({*_places(self.args)} - FIELDS):
            raise ValueError(f"no field {', '.join(strange)}; there are {', '.join(sorted(FIELDS))}")
        return self


class Playbook(Strict):
    """One playbook; the id is its file's name."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: str
    about: str = ""
    trigger: Trigger
    steps: list[Step] = Field(min_length=1)


def read(path: Path) -> Playbook:
    """One playbook. Raises DocumentError naming file and line."""
    playbook = documents.read(path, Playbook)
    if playbook.id != path.stem:
        raise documents.DocumentError(path, 1, f"id: {playbook.id!r} is not the file's name")
    return playbook


def library(folders: Iterable[Path]) -> list[Playbook]:
    """Every playbook of the folders, by id. One that cannot be read is logged and left out: the others must run."""
    files = [path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.yml"))]
    found: dict[str, Playbook] = {}
    for path in files:
        playbook = _cached(path, path.stat().st_mtime_ns, path.stat().st_size)
        if playbook and found.setdefault(playbook.id, playbook) is not playbook:
            log.error("%s: a playbook %r was read before; this one is left out", path, playbook.id)
    return [found[name] for name in sorted(found)]


@lru_cache(maxsize=1024)
def _cached(path: Path, _changed: int, _size: int) -> Playbook | None:
    try:
        return read(path)
    except documents.DocumentError as error:
        log.error("playbook left out: %s", error)
        return None


def fill(value: Plain, known: Mapping[str, Any]) -> Plain:
    """Arguments with every place filled; `known` maps FIELDS to values."""
    if isinstance(value, dict):
        return {key: fill(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, known) for each in value]
    if not isinstance(value, str):
        return value
    whole = PLACE.fullmatch(value)
    if whole:
        return known[whole[1]]
    return PLACE.sub(lambda place: _text(known[place[1]]), value)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_text(each)}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _places(value: Plain) -> Iterable[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _places(each)
    elif isinstance(value, str):
        yield from PLACE.findall(value)


