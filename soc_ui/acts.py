"""The act log of grid and detail: entries with rising numbers, applied once each, answered one by one.

A browser sends everything that we have not acknowledged, so that no key press is lost and none counts twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from casework import alerts
from casework.alerts import Row
from casework.services import Conflict, NotFound
from soc_core.access import Refused
from soc_core.models import Alert
from soc_ui.console import Console
from soc_ui.vm.queue import grid_row

KEPT = 200
BATCH = 500


@dataclass
class Ledger:
    """What one mounted component was answered: `ack` is the last number applied."""

    ack: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    undoable: list[list[tuple[Alert, int]]] = field(default_factory=list)  # (as it was, version that we made)
    says: str = ""
    bad: bool = False


def apply(console: Console, ledger: Ledger, log: Sequence[dict[str, Any]]) -> None:
    """Apply the entries after `ack` in order. An entry that makes no sense is acknowledged and does nothing.

    Streamlit calls this before the page runs, so the session is asked for again here.
    """
    if not console.still_in():
        return
    for entry in sorted((item for item in log if isinstance(item.get("seq"), int)), key=lambda item: item["seq"]):
        if entry["seq"] <= ledger.ack:
            continue
        ledger.ack = entry["seq"]
        ledger.says, ledger.bad = "", False
        try:
            if entry.get("op") == "undo":
                undo(console, ledger)
            else:
                change(console, ledger, entry)
        except Refused:
            ledger.says, ledger.bad = console.t("queue.refused"), True
        except ValueError as error:
            ledger.says, ledger.bad = str(error), True
    del ledger.results[:-KEPT]


def change(console: Console, ledger: Ledger, entry: dict[str, Any]) -> None:
    op, value = entry.get("op"), str(entry.get("value", ""))
    if op not in ("verdict", "assign"):
        raise ValueError(f"no act {op!r}")
    items = [(str(alert), int(version)) for alert, version in entry.get("ids", [])[:BATCH]]
    before = {}
    for alert, _ in items:
        try:
            before[alert] = alerts.get(console.actor, console.services, alert).alert
        except NotFound:
            continue
    given = console.actor.name if op == "assign" else value
    done: list[tuple[Alert, int]] = []
    answers = alerts.change(console.actor, console.services, "verdict" if op == "verdict" else "assign", given, items)
    for (alert, _), answer in zip(items, answers, strict=True):
        if isinstance(answer, Row):
            done.append((before[alert], answer.alert.version))
        tell(console, ledger, alert, answer)
    if done:
        ledger.undoable.append(done)
        del ledger.undoable[:-20]
        ledger.says = ledger.says or console.t("alert.done")


def undo(console: Console, ledger: Ledger) -> None:
    """Take the last act back."""
    if not ledger.undoable:
        ledger.says = console.t("queue.nothing_to_undo")
        return
    for before, version in ledger.undoable.pop():
        tell(console, ledger, before.id, alerts.restore(console.actor, console.services, before, version))
    ledger.says = ledger.says or console.t("alert.undone")


def tell(console: Console, ledger: Ledger, alert: str, answer: Row | Conflict | NotFound) -> None:
    """Keep the answer for the browser: the row as it is now, and in words why an act was not written."""
    row: dict[str, Any] | None = None
    says = ""
    if isinstance(answer, Row):
        row = asdict(grid_row(answer))
    elif isinstance(answer, Conflict) and isinstance(answer.current, Row):
        row = asdict(grid_row(answer.current))
        item = answer.current.alert
        state = console.t(f"ui.verdict_{item.verdict}") if item.verdict else console.t(f"ui.status_{item.status}")
        who = alerts.last_actor(console.services, alert) or console.t("queue.nobody")
        says = console.t("queue.conflict", who=who, state=state)
    else:
        says = console.t("common.not_found")
    if says:
        ledger.says, ledger.bad = says, True
    ledger.results.append({"seq": ledger.ack, "id": alert, "row": row, "says": says})
