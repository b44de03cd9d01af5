"""The policy of second factors: who must have one, from when, and that it holds at every way in."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from casework import account, factors
from casework.services import Services
from soc_api import relying
from soc_api.auth import Logins
from soc_api.provider import code_of
from soc_core import audit, clock
from soc_core.access import EVERYTHING, Actor, Refused, Role, Scope
from soc_core.state import totp, users
from tests.soc_ui.prepared import EDU, PASSWORD

HEAD = Actor("head", frozenset({Role.SECURITY_ADMIN}), EVERYTHING)
RED = frozenset({Role.RED})


@pytest.fixture
def name(services: Services) -> str:
    """A red account: no other test here signs in with that role. Nothing is asked of it yet."""
    made = f"red-{clock.now()}"
    with services.database.begin() as session:
        users.create(session, made, PASSWORD, [Role.RED, Role.ANALYST])
    factors.waive(HEAD, services, Role)
    return made


def proved(services: Services, name: str) -> tuple[bytes, int]:
    """Set it up; (key, step of the code that was used)."""
    me = Actor(name, RED, EVERYTHING)
    key = base64.b32decode(parse_qs(urlsplit(account.begin_factor(me, services)).query)["secret"][0])
    step = totp.step_of(clock.now())
    account.confirm_factor(me, services, totp.code(key, step))
    return key, step


def test_a_grace_first_then_the_door_and_no_further(services: Services, name: str,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    logins = Logins(services)
    token = logins.sign_in(name, PASSWORD, "peer").token
    factors.demand(HEAD, services, [Role.RED], grace_days=2)
    early = logins.entry(token)
    assert early is not None
    assert not early.halted
    assert clock.DAY < early.factor_due - clock.now() <= 2 * clock.DAY
    late = clock.now() + 2 * clock.DAY + clock.SECOND
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: late)
        entry = logins.entry(token)  # a session that was there before, too
        assert entry is not None
        assert (entry.must_prove, entry.halted) == (True, True)
    key, step = proved(services, name)
    assert logins.entry(token) is None  # the factor ended it
    entry = logins.entry(logins.sign_in(name, PASSWORD, "peer", totp.code(key, step + 1)).token)
    assert entry is not None
    assert (entry.halted, entry.factor_due) == (False, 0)


def test_the_strictest_role_counts_and_a_new_account_has_its_own_grace(services: Services, name: str) -> None:
    logins = Logins(services)
    factors.demand(HEAD, services, [Role.ANALYST], clock.now() + 30 * clock.DAY, 0)
    factors.demand(HEAD, services, [Role.RED], clock.now() - 30 * clock.DAY, 1)
    entry = logins.entry(logins.sign_in(name, PASSWORD, "peer").token)
    assert entry is not None
    assert not entry.halted  # made now: a day from now, not 29 days ago
    assert 0 < entry.factor_due - clock.now() <= clock.DAY
    factors.demand(HEAD, services, [Role.RED], clock.now() - 30 * clock.DAY, 0)
    entry = logins.entry(logins.sign_in(name, PASSWORD, "peer").token)
    assert entry is not None
    assert entry.must_prove
    factors.waive(HEAD, services, [Role.RED])
    entry = logins.entry(logins.sign_in(name, PASSWORD, "peer").token)
    assert entry is not None
    assert not entry.halted
    factors.waive(HEAD, services, Role)


def test_our_provider_gives_others_no_code_for_an_account_that_is_overdue(services: Services, name: str) -> None:
    logins = Logins(services)
    logins.provider.clients["desk"] = type(logins.provider.clients["console"])("desk", ["https://desk.example/back"])
    with services.database.read() as session:
        someone = users.get(session, name)
    assert someone is not None
    asked = {**relying.question(logins.near, relying.begin()), "client_id": "desk",
             "redirect_uri": "https://desk.example/back"}
    assert code_of(logins.provider.authorize(asked, someone))
    factors.demand(HEAD, services, [Role.RED], grace_days=0)
    with pytest.raises(ValueError, match="second factor first"):
        logins.provider.authorize(asked, someone)
    factors.waive(HEAD, services, Role)


def test_whom_an_outside_provider_lets_in_showed_it_there(services: Services, name: str,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    logins = Logins(services)
    factors.demand(HEAD, services, [Role.RED], grace_days=0)

    class Outside:
        issuer = "https://id.example"

    monkeypatch.setattr(relying, "complete", lambda *_: {"preferred_username": name})
    made = logins.complete(Outside(), relying.begin(), "code", "state", "peer")  # type: ignore[arg-type]
    entry = logins.entry(made.token)
    assert entry is not None
    assert not entry.halted
    factors.waive(HEAD, services, Role)


def test_the_whole_citys_security_administrator_decides(services: Services, name: str) -> None:
    for other in (Role.SYSTEM_ADMIN, Role.SECURITY_AUDITOR, Role.SHIFT_LEAD):
        with pytest.raises(Refused):
            factors.demand(HEAD._replace(roles=frozenset({other})), services, [Role.RED])
    with pytest.raises(Refused, match="whole city"):
        factors.demand(HEAD._replace(scope=Scope(frozenset({EDU}))), services, [Role.RED])
    for roles, days in (([], 1), ([Role.RED], -1), ([Role.RED], 91)):
        with pytest.raises(ValueError, match=r"say which|grace"):
            factors.demand(HEAD, services, roles, grace_days=days)
    factors.demand(HEAD, services, [Role.RED, Role.BLUE], grace_days=3)
    found = {each.demand.role: each for each in factors.listing(HEAD, services)}
    assert set(found) == {Role.RED, Role.BLUE}
    assert found[Role.RED].without >= 1
    before = found[Role.RED].without
    proved(services, name)
    assert {each.demand.role: each.without for each in factors.listing(HEAD, services)}[Role.RED] == before - 1
    factors.waive(HEAD, services, [Role.RED, Role.BLUE])
    assert factors.listing(HEAD, services) == []
    with services.database.read() as session:
        said = [each.action for each in audit.listing(session, limit=3)]
    assert said == ["policy.factor_waived", "account.factor", "policy.factor"]
