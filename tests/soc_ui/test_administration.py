"""The pages of accounts, the audit chain, indicators, statements and reveals: what they do is done, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from casework import account, accounts, alerts, compliance, factors, ledger, threats
from casework.services import Services, open_services
from soc_core import clock, config
from soc_core.access import EVERYTHING, Actor, Role
from soc_core.models import REAL
from soc_core.seals import Seal
from soc_core.state import outbox, quarantine, users
from soc_ui import pages, text
from soc_ui.vm.alert import whole
from soc_ui.vm.audit import verdict
from soc_ui.vm.drill import drill_page
from soc_ui.vm.indicators import taken
from soc_ui.vm.pipeline import quarantine_page
from tests.soc_ui.prepared import EDU, PASSWORD, POLICE, Prepared
from tests.soc_ui.test_pages import Run, run

__all__ = ["run"]
HEAD = Actor("secadmin", frozenset({Role.SECURITY_ADMIN}), EVERYTHING)
AUDITOR = Actor("auditor", frozenset({Role.SECURITY_AUDITOR}), EVERYTHING)
WANG = Actor("wang", frozenset({Role.ANALYST}), EVERYTHING)


@pytest.fixture
def on(tmp_path: Any, prepared: Prepared) -> Iterator[Services]:
    """A platform of this test's own."""
    opened = open_services(config.load(data=tmp_path, city=prepared.settings.city))
    with opened.database.begin() as session:
        for name, role, place in (("wang", Role.ANALYST, ""), ("secadmin", Role.SECURITY_ADMIN, ""),
                                  ("auditor", Role.SECURITY_AUDITOR, ""), ("lead", Role.SHIFT_LEAD, ""),
                                  ("edu-admin", Role.AGENCY_ADMIN, EDU)):
            users.create(session, name, PASSWORD, [role], place)
    yield opened
    opened.close()


def texts(test: AppTest) -> list[str]:
    return [item.value for item in test.text]


def pressed(test: AppTest, key: str) -> AppTest:
    """Press a button; what it did must not have failed."""
    test.button(key=key).click().run()
    assert not test.exception, test.exception
    return test


def test_the_security_administrator_makes_an_account_and_the_password_is_shown_once(run: Run, on: Services) -> None:
    test, _ = run("accounts", "secadmin", on=on)
    test.text_input(key="accounts_new_name").input("zhao")
    test.multiselect(key="accounts_new_roles").set_value([Role.AGENCY_ADMIN])
    test.selectbox(key="accounts_new_place").set_value(POLICE)
    pressed(test, "accounts_create")
    assert text.translate("zh", "accounts.created") in texts(test)
    password = test.code[0].value
    with on.database.begin() as session:
        made = users.check_password(session, "zhao", password)
    assert made is not None
    assert (set(made.roles), made.organisation, made.must_change) == ({Role.AGENCY_ADMIN}, POLICE, True)
    test.run()
    assert not test.code


def test_an_account_is_changed_shut_out_and_reset_but_not_ones_own(run: Run, on: Services) -> None:
    test, handed = run("accounts", "secadmin", on=on)
    assert len(handed["accounts_table"]["rows"]) == 5
    assert "secadmin" not in test.selectbox(key="accounts_which").options
    test.selectbox(key="accounts_which").set_value("wang").run()
    test.multiselect(key="accounts_wang_roles").set_value([Role.ANALYST, Role.RULE_AUTHOR])
    pressed(test, "accounts_grant")
    pressed(test, "accounts_disable")
    known = {each.name: each for each in accounts.listing(HEAD, on)}
    assert known["wang"].roles == {Role.ANALYST, Role.RULE_AUTHOR}
    assert known["wang"].disabled
    pressed(test, "accounts_disable")
    pressed(test, "accounts_reset")
    with on.database.begin() as session:
        assert users.check_password(session, "wang", test.code[0].value) is not None
    test.multiselect(key="accounts_wang_roles").set_value([])
    pressed(test, "accounts_grant")
    assert any("at least one role" in said for said in texts(test))


def test_second_factors_are_asked_of_a_role_and_waived(run: Run, on: Services) -> None:
    test, _ = run("accounts", "secadmin", on=on)
    test.multiselect(key="accounts_policy_roles").set_value([Role.ANALYST])
    test.number_input(key="accounts_policy_grace").set_value(7)
    pressed(test, "accounts_demand_do")
    (asked,) = factors.listing(HEAD, on)
    assert (asked.demand.role, asked.demand.grace, asked.demand.actor, asked.without) == (
        Role.ANALYST, 7 * clock.DAY, "secadmin", 1)
    _, handed = run("account", "wang", on=on)
    assert handed["account_head"]["tone"] == "warn"  # he is told the day
    test, handed = run("accounts", "secadmin", on=on)
    assert len(handed["accounts_policy"]["rows"]) == 1
    pressed(test, "accounts_waive")
    assert factors.listing(HEAD, on) == []


def test_an_auditor_reads_accounts_and_changes_none(run: Run, on: Services) -> None:
    test, handed = run("accounts", "auditor", on=on)
    assert len(handed["accounts_table"]["rows"]) == 5
    assert not [each.key for each in test.button]


def test_ones_own_token_is_made_shown_once_and_ended(run: Run, on: Services) -> None:
    test, handed = run("account", "wang", on=on)
    assert text.translate("zh", "role.analyst") in handed["account_head"]["headline"]
    test.text_input(key="account_token_name").input("script")
    test.multiselect(key="account_token_roles").set_value([Role.ANALYST])
    pressed(test, "account_issue_do")
    assert test.code[0].value.startswith("soc_api_")
    (made,) = account.own_tokens(WANG, on)
    assert (made.name, made.revoked) == ("script", False)
    test, _ = run("account", "wang", on=on)
    assert not test.code
    pressed(test, "account_end")
    assert account.own_tokens(WANG, on)[0].revoked
    test, _ = run("accounts", "secadmin", on=on)
    assert "accounts_end" not in [each.key for each in test.button]


def test_the_auditor_reads_checks_and_takes_the_heads_away(run: Run, on: Services) -> None:
    test, handed = run("audit", "auditor", on=on)
    assert any(row["cells"][3] == "account.sign_in" for row in handed["audit_entries"]["rows"])
    pressed(test, "audit_check")
    assert "audit.check" in [each.action for each in ledger.listing(AUDITOR, on, limit=3)]
    assert test.session_state["audit_checked"][1] == "ok"
    pressed(test, "audit_take")
    assert b'"root"' in test.session_state["audit_heads"]
    _, handed = run("audit", "auditor", query={"who": "auditor"}, on=on)
    assert {row["cells"][2] for row in handed["audit_entries"]["rows"]} == {"auditor"}
    _, handed = run("audit", "auditor", query={"before": "2"}, on=on)
    assert [row["cells"][0] for row in handed["audit_entries"]["rows"]] == ["1"]
    _, handed = run("audit", "wang", on=on)
    assert "audit_entries" not in handed


def test_what_a_check_found_is_one_sentence() -> None:
    whole = ledger.Checked(1200, "ab" * 32, None, None, 2, 1)
    assert verdict(whole, "en", "UTC") == ("Whole: 1,200 entries agree one by one, and with 2 heads kept elsewhere. "
                                           "End abababababababab…", "ok")
    said, tone = verdict(ledger.Checked(9, "", 7, None, 0, 1), "zh", "UTC")
    assert ("第 7 条" in said, tone) == (True, "bad")
    said, tone = verdict(ledger.Checked(9, "", None, Seal(4, "", 1), 1, 1), "zh", "UTC")
    assert ("前 4 条" in said, tone) == (True, "bad")


def test_indicators_are_listed_and_revoked(run: Run, on: Services) -> None:
    found = threats.take(WANG, on, "value\n203.0.113.7\nbad.example.net\nnot an indicator at all\n", "csv", "desk")
    assert text.translate("zh", "indicators.taken", new=2, changed=0, known=0, refused=1) in taken(found, "zh")
    test, handed = run("indicators", "wang", on=on)
    rows = {row["cells"][0]: row for row in handed["indicators_table"]["rows"]}
    assert set(rows) == {"203.0.113.7", "bad.example.net"}
    assert rows["203.0.113.7"]["go"]["query"]["rule"].startswith("indicator:")
    _, handed = run("indicators", "wang", query={"kind": "domain"}, on=on)
    assert [row["cells"][0] for row in handed["indicators_table"]["rows"]] == ["bad.example.net"]
    test, _ = run("indicators", "wang", on=on)
    test.multiselect(key="indicators_which").set_value([rows["203.0.113.7"]["go"]["query"]["rule"][10:]]).run()
    pressed(test, "indicators_revoke")
    assert {each.value for each in threats.listing(WANG, on).rows if each.revoked} == {"203.0.113.7"}
    test, _ = run("indicators", "auditor", on=on)
    assert not [each.key for each in test.button]


def test_a_statement_says_who_when_on_what_and_until_when(run: Run, on: Services) -> None:
    test, _ = run("compliance", "edu-admin", on=on)
    test.selectbox(key="compliance_line").set_value("vendor-duty")
    test.text_area(key="compliance_text").input("合同第 12 条")
    test.date_input(key="compliance_until").set_value(clock.to_datetime(clock.now() + 40 * clock.DAY).date())
    pressed(test, "compliance_submit")
    assert any("evidence" in said for said in texts(test))  # none was given: nothing is noted
    test.text_input(key="compliance_where").input("档案 7")
    pressed(test, "compliance_submit")
    assert text.translate("zh", "compliance.declared_done") in texts(test)
    seat = Actor("edu-admin", frozenset({Role.AGENCY_ADMIN}), on.inventory.scope_of(EDU), EDU)
    line = next(each for each in compliance.check(seat, on, EDU).lines if each.requirement.id == "vendor-duty")
    assert line.standing == "declared"
    assert line.statement is not None
    assert (line.statement.actor, line.statement.evidence) == ("edu-admin", "档案 7")
    _, handed = run("compliance", "edu-admin", on=on)
    said = next(row["cells"][2] for row in handed["compliance_lines"]["rows"] if "合同第 12 条" in row["cells"][2])
    assert said.startswith("edu-admin 于 ")
    assert "有效至" in said
    test, _ = run("compliance", "wang", on=on)
    assert "compliance_submit" not in [each.key for each in test.button]  # an analyst speaks for nobody
    test, _ = run("compliance", "lead", on=on)
    assert "compliance_submit" in [each.key for each in test.button]


def test_personal_data_is_shown_for_a_reason(run: Run, services: Services, prepared: Prepared) -> None:
    test, _ = run("alert", query={"id": prepared.alerts[0]})
    pressed(test, "reveal_show")
    assert not test.code
    assert any("why you need" in said for said in texts(test))
    test.text_input(key="reveal_reason").input("call the owner back")
    pressed(test, "reveal_show")
    assert test.code[0].value.startswith("<86>Nov 23 02:11:09 edu-app-01 sshd[4121]: Accepted password for deploy")
    entry = next(each for each in ledger.listing(AUDITOR, services, who="wang") if each.action == "reveal")
    assert entry.detail["reason"] == "call the owner back"
    test.run()
    assert not test.code  # it is there in the run that asked, and in no other
    seen = alerts.detail(WANG, services, prepared.alerts[0])
    assert seen.row.alert.realm == REAL


def test_a_seat_below_the_city_reads_how_much_it_does_not_see(services: Services) -> None:
    seat = Actor("seat", frozenset({Role.ANALYST}), services.inventory.scope_of(POLICE), POLICE)
    for page in (quarantine_page(seat, services, "zh"), drill_page(seat, services, "zh")):
        assert page.note == text.translate("zh", "common.hidden", n=1)
    assert quarantine_page(WANG, services, "zh").note == ""


def test_text_that_turns_round_is_shown_as_a_mark() -> None:
    assert whole({"event.original": "a\u202eb\x1b[0m", "x": 1, "y": None}) == "a⟨202E⟩b⟨001B⟩[0m\n\nx: 1"


@pytest.mark.parametrize(("path", "roles"), [
    ("audit", {Role.SECURITY_AUDITOR}), ("accounts", {Role.SECURITY_AUDITOR, Role.SECURITY_ADMIN}),
    ("account", set(Role))])
def test_who_has_which_page(path: str, roles: set[Role]) -> None:
    assert next(place.roles for place in pages.PLACES if place.path == path) == roles


def test_quarantined_records_go_through_again(run: Run, on: Services) -> None:
    with on.database.begin() as session:
        quarantine.add(session, [quarantine.Item(
            f"{n:040x}", "gate", REAL, "nginx", clock.now(), "no line", b"a=1", 0, n) for n in range(3)])
    where = {"reason": "no line", "source": "gate"}
    test, _ = run("quarantine", "auditor", query=where, on=on)
    assert not test.button
    test, _ = run("quarantine", "wang", query=where, on=on)
    test.selectbox(key="quarantine_as").set_value("key_value").run()
    pressed(test, "quarantine_replay")
    assert text.translate("zh", "quarantine.replayed", n=3, cut=0) in texts(test)
    with on.database.begin() as session:
        assert [group.waiting for group in quarantine.groups(session)] == [0]
        assert {item.body["format"] for item in outbox.claim(session, "reader", [quarantine.REPLAY])} == {"key_value"}
