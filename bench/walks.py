"""Random walks over alerts and incidents: findings come in, people do whatever they like, and nothing is ever broken.

Each step is a call of a service that may be right, too late, not drawn or not allowed; its answer is held to the state
machines, and from time to time everything that is stored is held to the invariants in `broken`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casework import alerts, incidents
from casework.machine import Undrawn, machine
from casework.services import Conflict, NotFound, Services, Stores
from detections import triage
from soc_core import audit, clock
from soc_core.access import EVERYTHING, Actor, Refused, Role
from soc_core.clock import MINUTE
from soc_core.config import Settings
from soc_core.inventory import load
from soc_core.models import ENDED, LEVELS, Finding
from soc_core.state.case_tables import IncidentChangeRow, LinkRow
from soc_core.state.database import Database
from soc_core.state.tables import AlertChangeRow, AlertRow, IncidentRow

STEPS = int(os.environ.get("SOC_BENCH_STEPS") or 100_000)
LOOKS = 20  # times that everything is checked
HOSTS, RULES = 40, 12
PEOPLE = tuple(Actor(name, frozenset(roles), EVERYTHING) for name, roles in (
    ("wang", {Role.ANALYST}), ("li", {Role.SHIFT_LEAD}), ("zhao", {Role.ANALYST, Role.SHIFT_LEAD}),
    ("edu", {Role.AGENCY_ADMIN}), ("chen", {Role.COMMANDER})))
ANSWERS = (Undrawn, Refused, Conflict, NotFound, ValueError)


class Broken(AssertionError):
    """Something that must always hold does not."""


@dataclass
class Walk:
    """One walk. `done` counts what happened, by call and answer."""

    services: Services
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    findings: int = 0
    changes: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, 4])
        self.at = clock.now() - 90 * clock.DAY

    def run(self, steps: int, looks: int = LOOKS) -> None:
        """So many steps. Raises Broken."""
        calls: list[Callable[[], None]] = [
            self.find, self.judge, self.judge, self.step, self.step, self.step, self.split, self.merge]
        for number in range(steps):
            calls[int(self.rng.integers(0, len(calls)))]()
            if looks and (number + 1) % max(1, steps // looks) == 0:
                self.check()

    def pick(self, items: Any) -> Any:
        return items[int(self.rng.integers(0, len(items)))]

    def find(self) -> None:
        """Some findings, on hosts that others were on before."""
        self.at += int(self.rng.integers(1, 40)) * MINUTE
        host = int(self.rng.integers(0, HOSTS))
        found = []
        for _ in range(int(self.rng.integers(1, 5))):
            self.findings += 1
            rule, level = int(self.rng.integers(0, RULES)), self.pick(LEVELS[1:])
            found.append(Finding(
                f"rule-{rule}", f"{self.seed:08x}{self.findings:024x}", self.at, level, f"rule {rule}",
                (("host.name", str(host)),), (("host.name", f"host-{host}"), ("user.name", f"user-{host // 2}")),
                (self.pick(("T1110", "T1059", "T1041", "T1566")),), f"c{host % 3}", "s", "real", 0, self.findings))
        look = self.done["find"] % 20 == 0
        ended = self._in_ended() if look else 0
        with self.services.database.begin() as session:
            triage.apply(session, found, self.at)
        if look and self._in_ended() != ended:
            raise Broken("an incident that ended took another alert")
        self.done["find"] += 1

    def _in_ended(self) -> int:
        row = IncidentRow
        with self.services.database.read() as session:
            query = select(func.count()).select_from(AlertRow).join(row, AlertRow.incident == row.id)
            return session.scalar(query.where(row.status.in_(ENDED))) or 0

    def sample(self, table: type[AlertRow] | type[IncidentRow]) -> Any:
        """A row of those touched last, or None before there is any."""
        with self.services.database.read() as session:
            rows = session.execute(select(table.id, table.version, table.status).order_by(
                table.last_seen.desc(), table.id).limit(60)).all()
        return self.pick(rows) if rows else None

    def late(self, version: int) -> int:
        return version - int(self.rng.random() < 0.1)

    def judge(self) -> None:
        """A verdict, a state or an assignment of one alert."""
        row = self.sample(AlertRow)
        if row is None:
            return
        actor = self.pick(PEOPLE)
        op = self.pick(("verdict", "status", "assign"))
        value = self.pick({"verdict": ("", "true", "false", "benign", "test"), "status": ("new", "open", "closed"),
                           "assign": ("", "")}[op])
        version = self.late(row.version)
        try:
            answer, = alerts.change(actor, self.services, op, value, [(row.id, version)])
        except Refused:
            self.done[f"alert {op}: Refused"] += 1
            return
        if isinstance(answer, Exception):
            self.done[f"alert {op}: {type(answer).__name__}"] += 1
            return
        if version != row.version:
            raise Broken(f"alert {row.id} was changed by one who had not seen it as it stood")
        if op == "status" and not between("alert", row.status, value):
            raise Broken(f"alert {row.id} went from {row.status} to {value}")
        self.changes += 1
        self.done[f"alert {op}: done"] += 1

    def step(self) -> None:
        """Any action on any incident."""
        row = self.sample(IncidentRow)
        if row is None:
            return
        action, actor = self.pick(tuple(machine("incident").transitions)), self.pick(PEOPLE)
        version = self.late(row.version)
        note, kind = self.pick(("", "because", "because")), self.pick(("", "02"))
        try:
            found = incidents.change(actor, self.services, row.id, version, action, note, kind)
        except ANSWERS as error:
            self.done[f"{action}: {type(error).__name__}"] += 1
            return
        drawn = machine("incident").transitions[action]
        if row.status not in drawn.origins or found.status != drawn.to or not actor.has(*drawn.roles):
            raise Broken(f"incident {row.id}: {action} by {actor.name} led from {row.status} to {found.status}")
        if version != row.version or found.version != row.version + 1:
            raise Broken(f"incident {row.id} was changed by one who had not seen it as it stood")
        self.changes += 1
        self.done[f"{action}: done"] += 1

    def split(self) -> None:
        row = self.sample(IncidentRow)
        if row is None:
            return
        actor = self.pick(PEOPLE)
        members = incidents.get(PEOPLE[0], self.services, row.id).alerts
        some = [each for each in members if self.rng.random() < 0.4]
        self._try("split", lambda: incidents.split(actor, self.services, row.id, self.late(row.version), some, "x"))

    def merge(self) -> None:
        into, other = self.sample(IncidentRow), self.sample(IncidentRow)
        if into is None:
            return
        actor = self.pick(PEOPLE)
        self._try("merge", lambda: incidents.merge(
            actor, self.services, into.id, into.version, [(other.id, self.late(other.version))], "x"))

    def _try(self, name: str, call: Callable[[], object]) -> None:
        try:
            call()
        except ANSWERS as error:
            self.done[f"{name}: {type(error).__name__}"] += 1
            return
        self.changes += 1
        self.done[f"{name}: done"] += 1

    def check(self) -> None:
        """Hold all that is stored to the invariants. Raises Broken."""
        with self.services.database.read() as session:
            if wrong := broken(session, self.findings):
                raise Broken("; ".join(wrong[:5]))


def between(name: str, state: str, to: str) -> bool:
    try:
        return bool(machine(name).between(state, to))
    except Undrawn:
        return False


def broken(session: Session, findings: int) -> list[str]:
    """What does not hold: nothing is lost, every ledger leads to what stands, every story is whole, the chain is."""
    wrong = []
    if (at := audit.verify(session)) is not None:
        wrong.append(f"the audit chain breaks at {at}")
    if (counted := session.scalar(select(func.sum(AlertRow.count))) or 0) != findings:
        wrong.append(f"{findings} findings, {counted} counted")
    states = dict(session.execute(select(IncidentRow.id, IncidentRow.status)).all())
    owners = dict(session.execute(select(IncidentRow.id, IncidentRow.organisation)).all())
    members: Counter[str] = Counter()
    links = dict(session.execute(select(LinkRow.alert, LinkRow.incident)).all())
    for alert, incident, owner in session.execute(select(AlertRow.id, AlertRow.incident, AlertRow.organisation)):
        members[incident] += 1
        if incident and (incident not in states or owners[incident] != owner):
            wrong.append(f"alert {alert} is in an incident that is not there or another's")
        if links.get(alert, "") != incident:
            wrong.append(f"alert {alert} is in {incident!r}, its reason in {links.get(alert)!r}")
    for incident, state in states.items():
        if (state == "merged") != (members[incident] == 0):
            wrong.append(f"incident {incident} is {state} with {members[incident]} alerts")
    return wrong + ledgers(session, states)


def ledgers(session: Session, states: dict[str, str]) -> list[str]:
    """Ledgers that do not lead, drawn step by drawn step, to the state that stands."""
    wrong = []
    change = IncidentChangeRow
    stood: dict[str, str] = {}
    for incident, before, after in session.execute(
            select(change.incident, change.before, change.after).where(change.field == "status").order_by(change.id)):
        if incident in stood and (stood[incident] != before or not between("incident", before, after)):
            wrong.append(f"incident {incident} went from {stood[incident]} ({before}) to {after}")
        stood[incident] = after
    wrong += [f"incident {each} is {state}, its ledger says {stood.get(each)}"
              for each, state in states.items() if stood.get(each) != state]
    row = AlertChangeRow
    held: dict[tuple[str, str], str] = {}
    for alert, name, before, after in session.execute(
            select(row.alert, row.field, row.before, row.after).order_by(row.id)):
        if held.get((alert, name), before) != before:
            wrong.append(f"alert {alert}: {name} was {held[alert, name]}, not {before}")
        held[alert, name] = after
    for alert, status, verdict in session.execute(select(AlertRow.id, AlertRow.status, AlertRow.verdict)):
        if held.get((alert, "status"), "new") != status or held.get((alert, "verdict"), "") != verdict:
            wrong.append(f"alert {alert} is not what its history says")
        if verdict and status != "closed":
            wrong.append(f"alert {alert} is {status} with a verdict")
    return wrong


def services_over(url: str, folder: Path) -> Services:
    """Services over a state database, with no event store and an empty data directory."""
    settings = Settings(data=folder)
    database = Database(url, synchronous="NORMAL")
    database.migrate()
    inventory = load(settings.city)
    return Services(settings, database, Stores(settings, _none), inventory, dict)


def _none(realm: str) -> Any:
    raise LookupError(realm)


def figures() -> list[dict[str, Any]]:
    """100,000 steps on SQLite (SOC_BENCH_STEPS others); Broken ends the bench."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soc-bench-")))
        services = services_over(f"sqlite:///{folder / 'state.db'}", folder)
        walk, began = Walk(services, 1), time.process_time()
        walk.run(STEPS)
        spent = time.process_time() - began
        services.close()
    refused = sum(number for name, number in walk.done.items() if name.endswith("Undrawn"))
    return [
        {"name": "walks: steps that broke an invariant", "value": 0, "unit": f"of {STEPS:,}", "target": "0",
         "met": STEPS >= 100_000},
        {"name": "walks: changes made", "value": walk.changes, "unit": "changes"},
        {"name": "walks: steps refused as not drawn", "value": refused, "unit": "steps"},
        {"name": "walks: one step, with its audit entry", "value": round(spent / STEPS * 1e3, 2),
         "unit": "ms CPU"},
    ]
