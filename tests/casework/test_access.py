"""Personal data hidden and revealed, who looked, accounts of three administrators, second factors, tokens."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from casework import account, accounts, alerts, events, ledger, lookers, masking, quarantine
from casework.services import NotFound, Services, open_services
from soc_api.auth import Denied, Logins
from soc_core import audit, clock
from soc_core.access import EVERYTHING, Actor, Refused, Role, Scope
from soc_core.events import EventBatch
from soc_core.models import REAL
from soc_core.protocols import Query
from soc_core.seals import Seal
from soc_core.state import totp, users
from soc_core.store.embedded import EmbeddedStore
from tests.soc_ui.prepared import DATA, EDU, PASSWORD, POLICE, event, prepare

PERSON, PHONE, NUMBER = "欧阳若兰", "13812345678", "11010519491231002X"
ANALYST = Actor("wang", frozenset({Role.ANALYST}), EVERYTHING)
HEAD = Actor("head", frozenset({Role.SECURITY_ADMIN}), EVERYTHING)
AUDITOR = Actor("auditor", frozenset({Role.SECURITY_AUDITOR}), EVERYTHING)
EDU_ADMIN = Actor("edu-admin", frozenset({Role.AGENCY_ADMIN}), Scope(frozenset({EDU})), EDU)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Services]:
    """A data directory of this test's own, with one event about a person."""
    made = prepare(tmp_path, Path(__file__).resolve().parents[2] / "cities" / "changsha", fill=0)
    line = f"applicant {PERSON} id {NUMBER} tel {PHONE} refused"
    row = {**event("test:form", 77, clock.now(), EDU, "campus_safety", REAL, line, {"host.name": ["form-01"]}),
           "user.full_name": PERSON}
    with EmbeddedStore(made.settings.events(REAL)) as store:
        store.write(EventBatch.from_dicts([row]))
    opened = open_services(made.settings)
    yield opened
    opened.close()


def entries(services: Services, action: str) -> list[audit.Entry]:
    with services.database.read() as session:
        return [each for each in audit.listing(session, limit=1000) if each.action == action]


def test_nobody_sees_a_person_until_he_says_why(own: Services) -> None:
    found = events.search(ANALYST, own, Query(text="host.name:form-01")).rows[0]
    told = repr(found) + repr(events.get(ANALYST, own, found["event.id"])) + repr(
        events.aggregate(ANALYST, own, Query(), "user.full_name"))
    assert not any(each in told for each in (PERSON, PHONE, NUMBER))
    assert "欧***" in told
    for reason in ("", "  ", "因为"):
        with pytest.raises(ValueError, match="why"):
            masking.reveal(ANALYST, own, found["event.id"], reason)
    whole = masking.reveal(ANALYST, own, found["event.id"], "call the applicant back")
    assert whole["user.full_name"] == PERSON
    assert PHONE in whole["message"]
    assert NUMBER in whole["message"]
    (entry,) = entries(own, "reveal")
    assert (entry.actor, entry.detail["reason"]) == ("wang", "call the applicant back")
    assert PHONE not in repr(entry)
    masking.reveal(ANALYST, own, found["event.id"], "call the applicant back")
    assert len(entries(own, "reveal")) == 2  # each reveal is told, not one in ten minutes


def test_a_reveal_is_within_scope_and_role(own: Services) -> None:
    found = events.search(ANALYST, own, Query(text="host.name:form-01")).rows[0]["event.id"]
    stranger = Actor("police-admin", frozenset({Role.AGENCY_ADMIN}), Scope(frozenset({POLICE})), POLICE)
    with pytest.raises(NotFound):
        masking.reveal(stranger, own, found, "curious about it")
    with pytest.raises(Refused):
        masking.reveal(AUDITOR, own, found, "curious about it")
    assert entries(own, "reveal") == []
    assert masking.reveal(EDU_ADMIN, own, found, "our own applicant")["user.full_name"] == PERSON


def test_alerts_and_samples_are_masked(own: Services) -> None:
    row = alerts.queue(ANALYST, own, alerts.Filter()).rows[0].alert
    shown = masking.alert(row.model_copy(update={
        "title": f"登录 {PHONE}", "explanation": NUMBER, "entities": {"user.full_name": [PERSON]},
        "group": {"user.full_name": PERSON}}))
    assert not any(each in repr(shown) for each in (PERSON, PHONE, NUMBER))
    assert shown.id == row.id
    assert quarantine.samples(ANALYST, own, "no timestamp in the header", "test:real:campus_safety")


def test_an_agency_sees_who_looked(own: Services) -> None:
    for _ in range(3):
        events.search(ANALYST, own, Query(text="host.name:form-01 OR host.name:secret-of-others"))
    events.search(EDU_ADMIN, own, Query())
    found = lookers.listing(EDU_ADMIN, own, EDU)
    assert [(look.actor, look.action, look.object) for look in found.rows] == [("wang", "events.search", "events:real")]
    assert "secret-of-others" not in repr(found)  # what was asked beside is the auditor's to read
    assert "secret-of-others" in entries(own, "events.search")[0].detail["query"]
    assert found.total == 1
    events.aggregate(ANALYST, own, Query(), "event.original")  # values are records by another door
    events.aggregate(ANALYST, own, Query(), "organization.id")
    assert [look.action for look in lookers.listing(EDU_ADMIN, own, EDU).rows] == ["events.aggregate", "events.search"]
    alert = next(row.alert for row in alerts.queue(ANALYST, own, alerts.Filter()).rows if row.alert.organisation == EDU)
    alerts.detail(ANALYST, own, alert.id)
    masking.reveal(ANALYST, own, alert.events[0], "a reason for it")
    page = lookers.listing(EDU_ADMIN, own, EDU, limit=1)
    assert (page.rows[0].action, page.rows[0].reason, page.total) == ("reveal", "a reason for it", 4)
    assert [look.action for look in lookers.listing(EDU_ADMIN, own, EDU, int(page.next)).rows] == [
        "alert.events", "events.aggregate", "events.search"]
    with pytest.raises(NotFound):
        lookers.listing(EDU_ADMIN, own, POLICE)


def test_a_count_beyond_the_scope_answers_no_question_about_others(own: Services) -> None:
    assert alerts.queue(EDU_ADMIN, own, alerts.Filter()).hidden_by_scope > 0
    for asked in (alerts.Filter(text="svc-report"), alerts.Filter(organisation=DATA),
                  alerts.Filter(rule="soc.dns.tunnel"), alerts.Filter(system="egov_extranet")):
        assert alerts.queue(EDU_ADMIN, own, asked).hidden_by_scope == 0


def test_work_goes_to_who_sees_it_and_no_other_account_is_told_of(own: Services) -> None:
    row = next(row.alert for row in alerts.queue(ANALYST, own, alerts.Filter()).rows if row.alert.organisation == EDU)
    with own.database.begin() as session:
        users.create(session, "far", PASSWORD, [Role.ANALYST], POLICE)
        users.create(session, "near", PASSWORD, [Role.ANALYST], EDU)
        users.create(session, "gone", PASSWORD, [Role.ANALYST], EDU)
        users.disable(session, "gone")
    said = set()
    for name in ("far", "gone", "nobody"):
        with pytest.raises(ValueError, match="may take it up") as refused:
            alerts.change(ANALYST, own, "assign", name, [(row.id, row.version)])
        said.add(str(refused.value).replace(name, "?"))
    assert len(said) == 1
    (done,) = alerts.change(ANALYST, own, "assign", "near", [(row.id, row.version)])
    assert isinstance(done, alerts.Row)
    assert done.alert.assignee == "near"


def test_three_administrators_are_three_people(own: Services) -> None:
    with own.database.begin() as session:
        users.create(session, "head", PASSWORD, [Role.SECURITY_ADMIN], person="1001")
    made, password = accounts.create(HEAD, own, "sys", [Role.SYSTEM_ADMIN], person="1002")
    assert made.must_change
    assert Logins(own).sign_in("sys", password, "peer").must_change
    for person in ("1001", "1002"):
        with pytest.raises(ValueError, match="three people"):
            accounts.create(HEAD, own, f"audit-{person}", [Role.SECURITY_AUDITOR], person=person)
    with pytest.raises(ValueError, match="three people"):
        accounts.create(HEAD, own, "both", [Role.SYSTEM_ADMIN, Role.SECURITY_AUDITOR])
    accounts.create(HEAD, own, "plain", [Role.ANALYST], person="1002")
    with pytest.raises(ValueError, match="three people"):
        accounts.grant(HEAD, own, "plain", [Role.SECURITY_AUDITOR], "")
    for own_name in ("head",):
        with pytest.raises(Refused, match="his own"):
            accounts.grant(HEAD, own, own_name, [Role.ANALYST], "")
    accounts.create(HEAD, own, "head-2", [Role.ANALYST], person="1001")
    with pytest.raises(Refused, match="his own"):
        accounts.reset(HEAD, own, "head-2")
    told = entries(own, "account.create")
    assert [each.object for each in told] == ["account:head-2", "account:plain", "account:sys"]
    assert password not in repr(told)


def test_an_administrator_of_a_district_stays_in_it(own: Services) -> None:
    district = Actor("kaifu-head", frozenset({Role.SECURITY_ADMIN}), own.inventory.scope_of("kaifu"), "kaifu")
    with pytest.raises(NotFound):
        accounts.create(district, own, "elsewhere", [Role.ANALYST], "yuelu")
    with pytest.raises(NotFound):
        accounts.create(district, own, "whole-city", [Role.ANALYST], "")
    accounts.create(district, own, "kaifu-one", [Role.AGENCY_ADMIN], "kaifu")
    assert [each.name for each in accounts.listing(district, own)] == ["kaifu-one"]
    with pytest.raises(NotFound):
        accounts.disable(district, own, "wang")


def test_a_second_factor_is_asked_once_it_was_proved(own: Services) -> None:
    logins = Logins(own)
    secret = parse_qs(urlsplit(account.begin_factor(ANALYST, own)).query)["secret"][0]
    assert logins.sign_in("wang", PASSWORD, "peer")  # not proved: not asked
    with pytest.raises(ValueError, match="not the code"):
        account.confirm_factor(ANALYST, own, "000000")
    key, step = base64.b32decode(secret), totp.step_of(clock.now())
    account.confirm_factor(ANALYST, own, totp.code(key, step))
    with own.database.read() as session:
        assert secret not in repr(session.get(users.UserRow, "wang").__dict__)  # sealed
    for wrong in ("", "123456", totp.code(key, step)):  # the one that proved it is used up
        with pytest.raises(Denied) as denied:
            Logins(own).sign_in("wang", PASSWORD, "peer", wrong)
        assert denied.value.key == "wrong"  # the words do not say that the password was right
    assert Logins(own).sign_in("wang", PASSWORD, "peer", totp.code(key, step + 1))
    with pytest.raises(ValueError, match="has a second factor"):
        account.begin_factor(ANALYST, own)
    assert len(entries(own, "account.refused")) == 3


def test_wrong_codes_lock_the_account_and_a_new_process_knows(own: Services) -> None:
    for _ in range(users.FAILURES):
        with pytest.raises(Denied):
            Logins(own).sign_in("wang", "not the password", "peer")
    with pytest.raises(Denied):
        Logins(own).sign_in("wang", PASSWORD, "another")  # the lock is in the database, not in a process
    password = accounts.reset(HEAD, own, "wang")
    assert Logins(own).sign_in("wang", password, "another").must_change


def test_a_token_is_less_than_its_maker_and_ends_with_him(own: Services) -> None:
    made, secret = account.issue(ANALYST, own, "script", [Role.ANALYST], "kaifu", days=1)
    entry = Logins(own).bearer(secret)
    assert entry is not None
    assert entry.actor.scope == own.inventory.scope_of("kaifu")
    with pytest.raises(Refused, match="at most your own"):
        account.issue(ANALYST, own, "more", [Role.SHIFT_LEAD])
    with pytest.raises(NotFound):
        account.issue(EDU_ADMIN, own, "wider", [Role.AGENCY_ADMIN], POLICE)
    with pytest.raises(ValueError, match="days"):
        account.issue(ANALYST, own, "long", [Role.ANALYST], days=4000)
    with pytest.raises(Refused, match="no account of its own"):
        account.issue(entry.actor, own, "child", [Role.ANALYST], "kaifu")
    assert secret not in repr(entries(own, "token.create"))
    accounts.grant(HEAD, own, "wang", [Role.RULE_AUTHOR], "")
    left = Logins(own).bearer(secret)
    assert left is not None
    assert left.actor.roles == frozenset()
    accounts.disable(HEAD, own, "wang")
    assert Logins(own).bearer(secret) is None
    with pytest.raises(NotFound):
        account.revoke_own(EDU_ADMIN, own, made.id)


def test_the_auditor_reads_and_checks_the_chain(own: Services) -> None:
    Logins(own).sign_in("wang", PASSWORD, "192.0.2.7")
    assert ledger.listing(AUDITOR, own, who="wang")[0].action == "account.sign_in"
    held = ledger.heads(AUDITOR, own)
    assert ledger.check(AUDITOR, own, held).unlike is None
    forged = [Seal(held[0].size, "0" * 64, 0)]
    assert ledger.check(AUDITOR, own, forged).unlike == forged[0]
    with pytest.raises(Refused, match="whole city"):
        ledger.listing(AUDITOR._replace(scope=Scope(frozenset({EDU}))), own)
