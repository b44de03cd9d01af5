"""The act log: each entry counts once however often it is sent, conflicts come back, the last act can be taken back."""

from __future__ import annotations

from typing import Any

from casework import alerts
from casework.services import Services
from soc_core.access import EVERYTHING, Actor, Role
from soc_ui.acts import Ledger, apply
from soc_ui.console import Console
from tests.soc_ui.prepared import Prepared, another

ANALYST = Actor("wang", frozenset({Role.ANALYST}), EVERYTHING)


def console(services: Services, actor: Actor = ANALYST) -> Console:
    return Console(actor, services, "zh", "", {}, lambda: actor)


def entry(seq: int, op: str, value: str = "", *ids: tuple[str, int]) -> dict[str, Any]:
    return {"seq": seq, "op": op, "value": value, "ids": [list(pair) for pair in ids]}


def test_twenty_verdicts_sent_again_and_again_count_twenty(services: Services, prepared: Prepared) -> None:
    ids = [another(prepared.settings, f"run of keys {n}") for n in range(20)]
    log = [entry(n + 1, "verdict", "false", (alert, 1)) for n, alert in enumerate(ids)]
    ledger = Ledger()
    for upto in (1, 5, 5, 20, 20):
        apply(console(services), ledger, log[:upto])
    assert ledger.ack == 20
    for alert in ids:
        detail = alerts.detail(ANALYST, services, alert)
        assert (detail.row.alert.verdict, detail.row.alert.version, len(detail.history)) == ("false", 2, 2)
    assert {item["seq"] for item in ledger.results} == set(range(1, 21))


def test_a_conflict_names_who_was_first_and_brings_the_row(services: Services, prepared: Prepared) -> None:
    alert, ledger = another(prepared.settings, "two hands"), Ledger()
    alerts.change(Actor("li", frozenset({Role.ANALYST}), EVERYTHING), services, "verdict", "true", [(alert, 1)])
    apply(console(services), ledger, [entry(1, "verdict", "false", (alert, 1))])
    result = ledger.results[-1]
    assert "li" in result["says"]
    assert (result["row"]["verdict"], result["row"]["version"]) == ("true", 2)
    assert ledger.bad


def test_undo_takes_the_last_act_back(services: Services, prepared: Prepared) -> None:
    ids, ledger = [another(prepared.settings, f"to undo {n}") for n in range(3)], Ledger()
    apply(console(services), ledger, [entry(1, "verdict", "benign", *((alert, 1) for alert in ids)), entry(2, "undo")])
    assert {alerts.get(ANALYST, services, alert).alert.status for alert in ids} == {"new"}
    apply(console(services), ledger, [entry(3, "undo")])
    assert ledger.says == "没有可撤销的操作。"


def test_an_ended_session_writes_nothing(services: Services, prepared: Prepared) -> None:
    alert, ledger = another(prepared.settings, "after the session"), Ledger()
    gone = Console(ANALYST, services, "zh", "", {}, lambda: None)
    apply(gone, ledger, [entry(1, "verdict", "true", (alert, 1))])
    assert ledger.ack == 0
    assert alerts.get(ANALYST, services, alert).alert.version == 1


def test_nonsense_and_missing_roles_change_nothing(services: Services, prepared: Prepared) -> None:
    alert, ledger = another(prepared.settings, "nonsense"), Ledger()
    log = [entry(1, "delete", "", (alert, 1)), entry(2, "verdict", "maybe", (alert, 1)), {"seq": "x"}, {}]
    apply(console(services), ledger, log)
    assert (ledger.ack, ledger.bad) == (2, True)
    auditor = Actor("auditor", frozenset({Role.SECURITY_AUDITOR}), EVERYTHING)
    apply(console(services, auditor), ledger, [entry(3, "verdict", "true", (alert, 1))])
    assert ledger.says == "您的角色不能研判。"
    assert alerts.get(ANALYST, services, alert).alert.version == 1
