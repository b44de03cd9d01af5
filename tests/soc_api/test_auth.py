"""Who guesses is slowed, whom a provider names comes in or is written down, and other sites change nothing."""

from __future__ import annotations

import pytest

from casework.services import Services
from soc_api import auth, relying
from soc_api.auth import Denied, Entry, Logins, Throttle, same_origin
from soc_core import audit
from soc_core.access import NOTHING, Actor, Role
from soc_core.state import tokens, users


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    made = Hand()
    monkeypatch.setattr(auth, "time", made)
    return made


def test_a_key_waits_until_its_first_failure_is_out_of_the_window(hand: Hand) -> None:
    throttle = Throttle(tries=3, seconds=100.0)
    for _ in range(3):
        assert throttle.wait("zhao") == 0
        throttle.failed("zhao")
        hand.at += 20
    assert (throttle.wait("zhao"), throttle.wait("qian")) == (40, 0)
    hand.at += 39.5
    assert throttle.wait("zhao") == 1
    hand.at += 0.5  # the first is a whole window ago: two are left
    assert throttle.wait("zhao") == 0
    throttle.failed("zhao")
    assert throttle.wait("zhao") == 20
    throttle.clear("zhao")
    assert throttle.wait("zhao") == 0


def test_what_is_over_is_forgotten_and_so_is_the_oldest_of_too_many(hand: Hand) -> None:
    throttle = Throttle(tries=1, seconds=10.0)
    throttle.failed("first")
    hand.at += 10
    assert throttle.wait("first") == 0
    assert throttle._failures == {}
    for number in range(10_002):
        throttle.failed(str(number))
    assert len(throttle._failures) == 10_001
    assert (throttle.wait("0"), throttle.wait("1")) == (0, 10)


@pytest.mark.parametrize(("origin", "ours"), [
    ("", True), ("https://soc.example", True), ("http://soc.example", True), ("https://other.example", False),
    ("https://soc.example:8443", False), ("soc.example", False), ("null", False),
])
def test_a_page_of_another_site_changes_nothing(origin: str, ours: bool) -> None:
    assert same_origin(origin, "soc.example") is ours


def test_whom_our_own_provider_names_is_the_account_and_nobody_else(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins, begun = Logins(services), relying.begin()
    claims = {"sub": "wang", "preferred_username": "nobody"}
    monkeypatch.setattr(relying, "complete", lambda *_: claims)
    entry = logins.entry(logins.complete(logins.near, begun, "code", begun.state, "192.0.2.1").token)
    assert entry is not None
    assert entry.actor.name == "wang"
    claims["sub"] = "nobody"
    with pytest.raises(Denied, match="account or password is wrong"):
        logins.complete(logins.near, begun, "code", begun.state, "192.0.2.7")
    with services.database.read() as session:
        last = audit.listing(session, limit=1)[0]
    assert (last.actor, last.action, last.object) == ("", "account.refused", "account:")  # not the name: it is nobody's
    assert last.detail["peer"] == "192.0.2.7"


def test_a_token_may_what_its_maker_may_still(services: Services) -> None:
    logins = Logins(services)
    with services.database.begin() as session:
        users.create(session, "maker", "a long enough password 1", [Role.ANALYST, Role.RULE_AUTHOR])
        _, secret = tokens.issue(session, "reader", "api", "maker", [Role.ANALYST, Role.SHIFT_LEAD])
        _, alone = tokens.issue(session, "alone", "api", "nobody-any-more", [Role.ANALYST, Role.SHIFT_LEAD])
    entry, orphan = logins.bearer(secret), logins.bearer(alone)
    assert entry is not None
    assert orphan is not None
    assert entry.actor.roles == {Role.ANALYST}
    assert (entry.actor.scope.organisations, entry.session, entry.must_change) == (None, "", False)
    assert orphan.actor.roles == {Role.ANALYST, Role.SHIFT_LEAD}
    with pytest.raises(Denied, match="sign in first"):  # a machine has no account to change
        logins.account(entry)
    with services.database.begin() as session:
        users.set_roles(session, "maker", [Role.AGENCY_ADMIN])  # without a place
    entry = logins.bearer(secret)
    assert entry is not None
    assert (entry.actor.roles, entry.actor.scope) == (frozenset(), NOTHING)


def test_who_is_in_has_his_account_and_who_left_for_a_provider_comes_back(services: Services) -> None:
    logins, begun = Logins(services), relying.begin()
    assert logins.held(logins.hold(begun)) == begun
    with pytest.raises(Denied, match="not begun here"):
        logins.held(logins.hold(begun)[:-2])
    with services.database.begin() as session:
        users.create(session, "inside", "a long enough password 2", [Role.ANALYST])
    entry = logins.entry(logins.sign_in("inside", "a long enough password 2", "192.0.2.9").token)
    assert entry is not None
    assert logins.account(entry).name == "inside"


@pytest.mark.parametrize(("must_change", "must_prove", "halted"), [
    (False, False, False), (True, False, True), (False, True, True), (True, True, True)])
def test_one_thing_to_do_is_enough_to_be_held_at_the_door(must_change: bool, must_prove: bool, halted: bool) -> None:
    actor = Actor("zhao", frozenset({Role.ANALYST}), NOTHING)
    assert Entry(actor, "Zhao", must_change, "s", must_prove).halted is halted
