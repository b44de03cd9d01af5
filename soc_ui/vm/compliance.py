"""The self-check as data: one line a demand, with its evidence and the query behind it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from casework import compliance
from casework.compliance import Evidence, Line
from casework.rights import RIGHTS
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.state.statements import Statement
from soc_ui.text import time, translate

TONES = {"met": "ok", "partly": "warn", "open": "bad", "declared": "quiet", "unknown": "quiet"}


@dataclass(frozen=True)
class CompliancePage:
    """What /compliance shows; `declarable` are the lines that the reader may make a statement on, id → name."""

    headline: str
    note: str
    tone: str
    rows: list[dict[str, Any]]
    queries: list[dict[str, Any]]
    export: list[list[str]]
    declarable: dict[str, str]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compliance_page(actor: Actor, services: Services, language: str, zone: str = "Asia/Shanghai") -> CompliancePage:
    """The lines for all that the actor sees; for an agency that is its own."""
    own = actor.organisation if actor.scope.organisations is not None else ""
    found = compliance.check(actor, services, own)
    open_ = sum(line.standing == "open" for line in found.lines)
    return CompliancePage(
        translate(language, "compliance.headline", open=open_, n=len(found.lines)),
        translate(language, "compliance.note"), "bad" if open_ else "",
        [row(line, found.as_of, language, zone) for line in found.lines],
        [{"cells": [name(line, language), line.requirement.source, line.requirement.query], "go": None}
         for line in found.lines],
        [list(compliance.HEADER), *compliance.table(found)],
        {line.requirement.id: name(line, language) for line in found.lines if line.requirement.declare} if may_declare(
            actor) else {}, found.as_of)


def may_declare(actor: Actor) -> bool:
    """Whether there is somebody for whom the actor may speak: his agency, or the centre for who sees the whole city."""
    return actor.has(*RIGHTS["compliance.declare"]) and (
        bool(actor.organisation) or actor.scope.organisations is None)


def name(line: Line, language: str) -> str:
    return line.requirement.zh if language == "zh" else line.requirement.en


def stated(said: Statement, at: Micros, language: str, zone: str) -> str:
    """Who declared what, when, on which evidence, and until when it holds."""
    until = "" if said.valid_until is None else translate(
        language, "compliance.said_until" if said.valid_until > at else "compliance.said_over",
        until=time(said.valid_until, zone))
    return translate(language, "compliance.said", who=said.actor, at=time(said.at, zone), text=said.text,
                     evidence=said.evidence or "—", until=until)


def row(line: Line, at: Micros, language: str, zone: str) -> dict[str, Any]:
    """One demand: how it stands, what was counted or declared, where to look."""
    state = {"text": translate(language, f"compliance.{line.standing}"), "tone": TONES[line.standing]}
    counted = [evidence(one, language, zone) for one in line.evidence]
    if line.statement is not None:
        counted.append(stated(line.statement, at, language, zone))
    go = {"page": line.requirement.page, "query": {}} if line.requirement.page else None
    return {"cells": [name(line, language), state, "; ".join(counted) or "—"], "go": go}


def evidence(one: Evidence, language: str, zone: str) -> str:
    """One counted fact in words."""
    said = time(int(one.value), zone) if one.name in ("oldest", "last_drill") else f"{one.value:g}"
    return translate(language, f"compliance.fact_{one.name}", value=said if one.of is None else f"{said}/{one.of:g}")
