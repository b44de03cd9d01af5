"""The ledger of playbook runs: what was meant to be done is written before it is done. 处置记录"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core.access import Scope
from soc_core.clock import Micros, now
from soc_core.state.database import insert
from soc_core.state.tables import RunRow, StepRow


class Run(NamedTuple):
    """One run. `trigger` is topic:key of what set it off; `state` running, retrying, waiting (for approval), done,
    or failed; `context` what it knew of the trigger."""

    id: str
    playbook: str
    trigger: str
    realm: str
    organisation: str
    state: str
    context: dict[str, Any]
    started: Micros
    ended: Micros | None


class Step(NamedTuple):
    """One step of a run, from 0. `state`: intent (begun; whether it took effect is for `probe` to say), waiting,
    done or failed."""

    run: str
    number: int
    action: str
    args: dict[str, Any]
    state: str
    attempts: int
    summary: str
    output: dict[str, Any]
    started: Micros
    ended: Micros | None


def run_id(playbook: str, trigger: str) -> str:
    """32 hexadecimal digits made of both, so that no playbook runs twice for one trigger."""
    return hashlib.blake2b(f"{playbook}\0{trigger}".encode(), digest_size=16).hexdigest()


def start(session: Session, playbook: str, trigger: str, realm: str, organisation: str, context: dict[str, Any]) -> Run:
    """The run of a playbook for a trigger: a new one, or the one that was begun before."""
    known = run_id(playbook, trigger)
    statement = insert(session, RunRow).on_conflict_do_nothing(index_elements=["id"])
    session.execute(statement.values(id=known, playbook=playbook, trigger=trigger, realm=realm, context=context,
                                     organisation=organisation, state="running", started=now()))
    return _run(session.get_one(RunRow, known))


def intend(session: Session, run: str, number: int, action: str, args: dict[str, Any], summary: str) -> None:
    """Write down that a step begins, before it begins; once more for each attempt."""
    row = session.get(StepRow, (run, number))
    if row is None:
        session.add(StepRow(run=run, number=number, action=action, args=args, state="intent", attempts=1,
                            summary=summary, output={}, started=now()))
    else:
        row.action, row.args, row.state, row.summary, row.ended = action, args, "intent", summary, None
        row.attempts += 1


def conclude(session: Session, run: str, number: int, state: str, summary: str, output: dict[str, Any]) -> None:
    """Write down how a step ended."""
    row = session.get_one(StepRow, (run, number))
    row.state, row.summary, row.output, row.ended = state, summary, output, now()


def end(session: Session, run: str, state: str) -> None:
    """Set the state of a run; done and failed are its end."""
    row = session.get_one(RunRow, run)
    row.state = state
    row.ended = now() if state in ("done", "failed") else None


def steps(session: Session, run: str) -> list[Step]:
    """Steps of a run in order."""
    rows = session.scalars(select(StepRow).where(StepRow.run == run).order_by(StepRow.number))
    return [Step(*(getattr(row, name) for name in Step._fields)) for row in rows]


def give_up(session: Session, playbook: str, trigger: str) -> None:
    """End a run that is still to be retried as failed."""
    row = session.get(RunRow, run_id(playbook, trigger))
    if row is not None and row.state == "retrying":
        end(session, row.id, "failed")


def listing(session: Session, scope: Scope, playbook: str = "", states: Sequence[str] = (),
            limit: int = 100) -> list[Run]:
    """The latest runs in scope."""
    query = select(RunRow).order_by(RunRow.started.desc(), RunRow.id).limit(limit)
    if scope.organisations is not None:
        query = query.where(RunRow.organisation.in_(scope.organisations))
    if playbook:
        query = query.where(RunRow.playbook == playbook)
    if states:
        query = query.where(RunRow.state.in_(states))
    return [_run(row) for row in session.scalars(query)]


def _run(row: RunRow) -> Run:
    return Run(*(getattr(row, name) for name in Run._fields))
