"""Self-check against the law's demands: each line with the query behind it, its evidence and where to look. 合规自查

It says what the records here show. It is no certificate, and no line ever says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, case, func, select

from casework import retention, score, sources
from casework.rights import service
from casework.services import NotFound, Services, now, within
from soc_core import audit, clock, documents
from soc_core.access import Actor, Refused
from soc_core.clock import Micros
from soc_core.models import LEVELS, REAL
from soc_core.state import exposures, rulings, scores, statements
from soc_core.state.statements import Statement
from soc_core.state.tables import AlertRow, AuditRow, DrillRow, IncidentRow

Standing = Literal["met", "partly", "open", "declared", "unknown"]
RECENT, QUARTER, YEAR = 30 * clock.DAY, 90 * clock.DAY, 365 * clock.DAY


class Requirement(BaseModel):
    """One demand of compliance.yml. `check` names a function below; `declare`: a person's word belongs to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    source: str
    zh: str
    en: str
    query: str
    check: str = ""
    page: str = ""
    declare: bool = False


class Requirements(BaseModel):
    """compliance.yml."""

    model_config = ConfigDict(extra="forbid")
    requirements: list[Requirement]


@dataclass(frozen=True)
class Evidence:
    """One counted fact: its name (a key of the texts), and how many of how many; `of` None: a plain number or time."""

    name: str
    value: float
    of: float | None = None


@dataclass(frozen=True)
class Line:
    """A demand as it stands, what was counted, what was declared."""

    requirement: Requirement
    standing: Standing
    evidence: list[Evidence]
    statement: Statement | None


@dataclass(frozen=True)
class SelfCheck:
    """All lines for an organisation, or for all that the actor sees where it is ""."""

    organisation: str
    name: str
    lines: list[Line]
    as_of: Micros


@dataclass(frozen=True)
class Asked:
    """For whom a check counts: the organisations' ids (None: the whole city), and when."""

    services: Services
    actor: Actor
    organisation: str
    ids: frozenset[str] | None
    at: Micros

    def mine(self) -> list[ColumnElement[bool]]:
        conditions = [AlertRow.realm == REAL]
        return conditions if self.ids is None else [*conditions, AlertRow.organisation.in_(self.ids)]


@cache
def requirements() -> list[Requirement]:
    return documents.read(Path(__file__).with_suffix(".yml"), Requirements).requirements


@service
def check(actor: Actor, services: Services, organisation: str = "") -> SelfCheck:
    """Every line, for one organisation or for all in the actor's scope. Raises NotFound for one that is not his."""
    scope = within(actor, organisation) if organisation else actor.scope
    known = services.inventory.organisations.get(organisation)
    if organisation and known is None:
        raise NotFound("no such organisation")
    asked = Asked(services, actor, organisation, scope.organisations, now())
    owner = organisation or ("" if actor.scope.organisations is None else actor.organisation)
    with services.database.read() as session:
        declared = statements.latest(session, owner)
    lines = []
    for demand in requirements():
        standing, evidence = CHECKS[demand.check](asked) if demand.check else ("unknown", list[Evidence]())
        said = declared.get(demand.id)
        valid = said is not None and (said.valid_until is None or said.valid_until > asked.at)
        if standing == "unknown" and valid:
            standing = "declared"
        lines.append(Line(demand, standing, evidence, said))
    return SelfCheck(organisation, known.name if known else "", lines, asked.at)


@service
def declare(actor: Actor, services: Services, requirement: str, text: str, evidence: str, organisation: str = "",
            valid_until: Micros | None = None) -> None:
    """A person's word on a line that takes one; one that is over already withdraws the one before. Raises NotFound, and
    ValueError on a line that takes none, without text or evidence.

    Without an organisation it is the actor's own; the centre's may be given only by who sees the whole city.
    """
    if requirement not in {each.id for each in requirements() if each.declare}:
        raise ValueError(f"no line {requirement!r} that takes a statement")
    if not text.strip() or len(text) > 4_000 or len(evidence) > 2_000:
        raise ValueError("a statement has a text of at most 4,000 characters, and evidence of at most 2,000")
    if not evidence.strip():
        raise ValueError("a statement says where its evidence can be looked at")
    owner = organisation or actor.organisation
    if owner:
        within(actor, owner)
    elif actor.scope.organisations is not None:
        raise Refused("the centre's statements are the centre's to make")
    with services.database.begin() as session:
        statements.add(session, Statement(requirement, owner, text.strip(), evidence.strip(), actor.name, now(),
                                          valid_until))
        audit.append(session, actor, "compliance.declare", f"requirement:{requirement}", {
            "organisation": owner, "valid_until": valid_until})


def graded(have: float, want: float) -> Standing:
    """All of it is met, some is partly, none is open; where nothing is wanted nothing is known."""
    return "unknown" if not want else "met" if have >= want else "partly" if have else "open"


def of_parts(asked: Asked, part: str) -> tuple[float, float]:
    """(have, want) of a part of the scores: of one organisation now, of many by their last day."""
    if asked.organisation:
        found = next(each for each in score.measure(asked.services, asked.organisation, asked.at) if each.name == part)
        return found.have, found.want
    with asked.services.database.read() as session:
        days = scores.latest(session, asked.ids, asked.at // clock.DAY - score.FRESH).values()
    return (sum(float(day.parts[part]["have"]) for day in days if part in day.parts),
            sum(float(day.parts[part]["want"]) for day in days if part in day.parts))


def keeps(asked: Asked) -> tuple[Standing, list[Evidence]]:
    """Systems whose logs reach back six months, and the gaps since."""
    if not asked.organisation:
        have, want = of_parts(asked, "retention")
        return graded(round(have, 6), want), [Evidence("six_months_of_systems", round(have, 2), want)]
    found = retention.measure(asked.services, asked.organisation, asked.at)
    whole = sum(item.share >= 1 for item in found.systems)
    standing = graded(whole, len(found.systems))
    oldest = [item.oldest for item in found.systems if item.oldest is not None]
    return ("partly" if standing == "met" and found.gaps else standing), [
        Evidence("systems_six_months", whole, len(found.systems)), Evidence("gaps", len(found.gaps)),
        Evidence("empty_days", sum(len(item.empty) for item in found.systems)),
        *([Evidence("oldest", min(oldest))] if oldest else [])]


def collects(asked: Asked) -> tuple[Standing, list[Evidence]]:
    """Kinds of data heard of those expected, and sources that are silent."""
    have, want = of_parts(asked, "coverage")
    scope = asked.actor.scope if not asked.organisation else within(asked.actor, asked.organisation)
    silent = sum(item.health == "silent" for item in sources.rows(asked.services, scope))
    return graded(have, want), [Evidence("kinds", have, want), Evidence("silent", silent)]


def analyses(asked: Asked) -> tuple[Standing, list[Evidence]]:
    """Rules that are loaded, alerts that were judged, what drills found."""
    with asked.services.database.read() as session:
        report = rulings.report(session)
        raised, judged = session.execute(select(
            func.count(), func.sum(case((AlertRow.verdict != "", 1), else_=0))).where(
            AlertRow.last_seen > asked.at - RECENT, *asked.mine())).one()
        drills = session.scalars(select(DrillRow).order_by(DrillRow.started.desc()).limit(20)).all()
    loaded, there = int(report.get("loaded", 0)), int(report.get("documents", 0))
    steps = [(int(row.result["detected"]), int(row.result["steps"])) for row in drills
             if isinstance(row.result.get("steps"), int) and isinstance(row.result.get("detected"), int)]
    evidence = [Evidence("rules", loaded, there), Evidence("judged", int(judged or 0), raised)]
    if steps and asked.actor.scope.organisations is None:
        evidence.append(Evidence("drill_steps", sum(one for one, _ in steps), sum(of for _, of in steps)))
    if not there:
        return "unknown", evidence
    return ("met" if loaded >= there and (judged or 0) >= raised else "partly"), evidence


def drills(asked: Asked) -> tuple[Standing, list[Evidence]]:
    """Whether a drill was run within a year: the city's, so an agency's own is by its word."""
    if asked.ids is not None:
        return "unknown", []
    with asked.services.database.read() as session:
        last = session.scalar(select(func.max(DrillRow.started)))
    return ("unknown" if last is None else "met" if asked.at - last < YEAR else "open"), (
        [Evidence("last_drill", last)] if last else [])


def in_time(asked: Asked) -> tuple[Standing, list[Evidence]]:
    """High alerts that nobody took up before their limit. The law's own clocks are not counted here, so this line is
    at best partly met by it."""
    late = case(((AlertRow.status == "new") & (AlertRow.due < asked.at), 1), else_=0)
    with asked.services.database.read() as session:
        raised, overdue = session.execute(select(func.count(), func.sum(late)).where(
            AlertRow.severity >= LEVELS.index("high"), AlertRow.raised > asked.at - QUARTER, *asked.mine())).one()
    fine = raised - int(overdue or 0)
    standing = graded(fine, raised)
    return ("unknown" if standing == "met" else standing), [Evidence("not_overdue", fine, raised)]


def functions(asked: Asked) -> tuple[Standing, list[Evidence]]:
    """Which functions have left records: shown, and left to a person to declare."""
    services = asked.services
    with services.database.read() as session:
        counted = {
            "alerts": session.scalar(select(func.count()).select_from(AlertRow).where(*asked.mine())) or 0,
            "incidents": session.scalar(select(func.count()).select_from(IncidentRow).where(
                *([] if asked.ids is None else [IncidentRow.organisation.in_(asked.ids)]))) or 0,
            "scanners": len(exposures.imported(session, asked.actor.scope)),
        }
        if asked.ids is None:
            counted["audit"] = session.scalar(select(func.max(AuditRow.id))) or 0
    return "unknown", [Evidence(name, value) for name, value in counted.items()]


def models(asked: Asked) -> tuple[Standing, list[Evidence]]:
    """Learned detectors, and whether people look at what they say."""
    folder = asked.services.settings.models
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    ours = AlertRow.rule_id.startswith("model.")
    overruled = case((AlertRow.verdict.in_(("false", "benign")), 1), else_=0)
    with asked.services.database.read() as session:
        raised, judged, against = session.execute(select(
            func.count(), func.sum(case((AlertRow.verdict != "", 1), else_=0)), func.sum(overruled)).where(
            ours, *asked.mine())).one()
    evidence = [Evidence("models", len(names)), Evidence("judged", int(judged or 0), raised),
                Evidence("overruled", int(against or 0))]
    return ("unknown" if not names else graded(int(judged or 0), raised) if raised else "met"), evidence


CHECKS: dict[str, Callable[[Asked], tuple[Standing, list[Evidence]]]] = {
    "retention": keeps, "collection": collects, "analysis": analyses, "drill": drills, "in_time": in_time,
    "functions": functions, "models": models,
}
HEADER = ("id", "source", "zh", "en", "standing", "evidence", "query", "statement", "statement_evidence", "by",
          "stated", "valid_until", "as_of")


def table(found: SelfCheck) -> list[list[str]]:
    """Rows under HEADER, safe to open in a spreadsheet: no cell begins a formula."""
    rows = []
    for line in found.lines:
        counted = "; ".join(f"{one.name}={one.value:g}" + ("" if one.of is None else f"/{one.of:g}")
                            for one in line.evidence)
        said = line.statement
        cells = [line.requirement.id, line.requirement.source, line.requirement.zh, line.requirement.en, line.standing,
                 counted, line.requirement.query, said.text if said else "", said.evidence if said else "",
                 said.actor if said else "", clock.to_text(said.at) if said else "",
                 clock.to_text(said.valid_until) if said and said.valid_until else "", clock.to_text(found.as_of)]
        rows.append([f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells])
    return rows
