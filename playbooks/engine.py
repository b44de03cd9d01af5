"""Runs playbooks for what the outbox tells, at least once, and leaves nothing unsaid in the ledger. 处置引擎

A step is written down as intended, then done, then written down as done; nothing is held open meanwhile. Whoever
takes over after a crash finds the intent and asks the action's `probe` whether it took effect before doing it again.
An action must therefore bear being repeated under the same key (ctx["key"]).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from playbooks import document
from playbooks.document import Playbook
from soc_core import registry
from soc_core.clock import MINUTE, Micros
from soc_core.config import Settings
from soc_core.models import OutboxItem
from soc_core.protocols import Preview, Result
from soc_core.state import outbox, runs
from soc_core.state.database import Database

log = logging.getLogger(__name__)

CONSUMER = "playbooks"
BATCH = 20
LEASE = 10 * MINUTE  # longer than a batch of steps that all time out


class Again(Exception):
    """A step failed that may succeed later; the text says how it failed."""


def run_once(db: Database, settings: Settings, at: Micros | None = None) -> int:
    """Deal with everything that is due; returns how many playbooks ran (again)."""
    total = 0
    while True:
        with db.begin() as session:
            items = outbox.claim(session, CONSUMER, document.TOPICS, BATCH, LEASE, at)
        if not items:
            return total
        library = document.library(settings.playbooks)
        for item in items:
            total += _answer(db, settings, library, item, at)


def _answer(db: Database, settings: Settings, library: list[Playbook], item: OutboxItem, at: Micros | None) -> int:
    ran, errors = 0, []
    for playbook in library:
        if not playbook.trigger.fires(item.topic, item.body):
            continue
        ran += 1
        try:
            run(db, settings, playbook, item)
        except Again as error:
            errors.append(f"{playbook.id}: {error}")
    with db.begin() as session:
        if not errors:
            outbox.done(session, CONSUMER, item.id)
        else:
            outbox.failed(session, CONSUMER, item.id, "; ".join(errors), at)
            if item.attempts + 1 >= outbox.ATTEMPTS:
                for playbook in library:
                    runs.give_up(session, playbook.id, _trigger(item))
    return ran


def run(db: Database, settings: Settings, playbook: Playbook, item: OutboxItem) -> str:
    """Run a playbook for an item from where it stands; returns the run's state. Raises Again to be called later."""
    alert = item.body
    with db.begin() as session:
        begun = runs.start(session, playbook.id, _trigger(item), alert["realm"], alert["organisation"], alert)
        before = {step.number: step for step in runs.steps(session, begun.id)}
    if begun.state in ("done", "failed", "waiting"):
        return begun.state
    known = {f"alert.{name}": value for name, value in alert.items()}
    known |= {"playbook.id": playbook.id, "playbook.title": playbook.title, "run.id": begun.id}
    state = "done"
    for number, step in enumerate(playbook.steps):
        earlier = before.get(number)
        if earlier and (earlier.state == "done" or (earlier.state == "failed" and step.on_error == "continue")):
            continue
        args = document.fill(step.args, known)
        ctx = {"key": f"{begun.id}:{number}", "run": begun.id, "playbook": playbook.id, "alert": alert,
               "settings": settings}
        outcome, summary = _do(db, begun.id, number, step.action, args, ctx, earlier)
        if outcome == "failed" and step.on_error == "continue":
            continue
        if outcome == "failed" and step.on_error == "retry":
            _end(db, begun.id, "retrying")
            raise Again(f"step {number} ({step.action}): {summary}")
        if outcome != "done":
            state = "waiting" if outcome == "waiting" else "failed"
            break
    _end(db, begun.id, state)
    return state


def _do(db: Database, run: str, number: int, action: str, args: Mapping[str, Any], ctx: dict[str, Any],
        earlier: runs.Step | None) -> tuple[str, str]:
    """One step; its outcome (done, failed, waiting) and what it says."""
    module = registry.get(document.ACTIONS, action)
    given = dict(args)
    refused = ""
    try:
        preview: Preview = module.plan(ctx, given)
        if earlier and earlier.state == "intent" and module.probe(ctx, {"action": action, "args": given}) == "done":
            return _conclude(db, run, number, Result(True, f"{preview.summary} (found done after an interruption)", {}))
    except (ValueError, OSError) as error:
        preview, refused = Preview(f"{action} cannot be planned"), str(error)
    with db.begin() as session:
        runs.intend(session, run, number, action, given, preview.summary)
    if refused:
        return _conclude(db, run, number, Result(False, refused, {}))
    if preview.needs_approval:
        with db.begin() as session:
            runs.conclude(session, run, number, "waiting", f"needs approval: {preview.summary}", {})
        return "waiting", preview.summary
    try:
        result: Result = module.run(ctx, given)
    except Exception as error:  # a broken action must not stop the others; it is in the ledger and in the log
        log.exception("action %s of run %s failed", action, run)
        result = Result(False, f"{type(error).__name__}: {error}", {})
    return _conclude(db, run, number, result)


def _conclude(db: Database, run: str, number: int, result: Result) -> tuple[str, str]:
    state = "done" if result.ok else "failed"
    with db.begin() as session:
        runs.conclude(session, run, number, state, result.summary, result.output)
    return state, result.summary


def _end(db: Database, run: str, state: str) -> None:
    with db.begin() as session:
        runs.end(session, run, state)


def _trigger(item: OutboxItem) -> str:
    return f"{item.topic}:{item.key}"
