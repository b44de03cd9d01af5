"""The first administrators and an agency's people, made by who sits at the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from casework import services
from soc_api.auth import Denied, Logins
from soc_cli.__main__ import main
from soc_core.access import Role, Scope
from soc_core.config import Settings
from soc_core.state import tables, users

AGENCY = "cs-bigdata"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert main([*argv, "--json"]) == 0
    found: dict[str, Any] = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_an_agency_gets_an_account_that_sees_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", str(tmp_path))
    made = run(capsys, "accounts", "add", "wang", "--role", "agency_admin", "--organisation", AGENCY, *data)
    held = services.open_services(Settings(data=tmp_path))
    logins = Logins(held)
    who = logins.entry(logins.sign_in("wang", made["password"], "127.0.0.1").token)
    assert who is not None
    assert who.must_change
    assert who.actor.roles == {Role.AGENCY_ADMIN}
    assert who.actor.scope == held.inventory.scope_of(AGENCY) != Scope(None)
    assert [each["name"] for each in run(capsys, "accounts", "list", *data)["accounts"]] == ["wang"]

    fresh = run(capsys, "accounts", "reset", "wang", *data)["password"]
    with pytest.raises(Denied):
        logins.sign_in("wang", made["password"], "127.0.0.1")
    assert logins.sign_in("wang", fresh, "127.0.0.1")
    assert run(capsys, "accounts", "disable", "wang", *data)["disabled"]
    with pytest.raises(Denied):
        logins.sign_in("wang", fresh, "127.0.0.1")
    with held.database.read() as session:
        said = [(row.action, row.actor.partition(":")[0]) for row in session.query(tables.AuditRow)
                if row.action in ("account.create", "account.reset", "account.disable")]
    held.close()
    assert said == [("account.create", "shell"), ("account.reset", "shell"), ("account.disable", "shell")]


def test_a_second_factor_is_asked_of_roles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", str(tmp_path))
    run(capsys, "accounts", "add", "head", "--role", "security_admin", *data)
    assert run(capsys, "accounts", "factor", *data) == {"demands": []}
    (asked,) = run(capsys, "accounts", "factor", "--role", "security_admin", "--grace-days", "3", *data)["demands"]
    assert (asked["role"], asked["grace_days"], asked["accounts"], asked["without"]) == ("security_admin", 3, 1, 1)
    assert main(["accounts", "factor", *data]) == 0
    assert "1 of 1 have none" in capsys.readouterr().out
    assert run(capsys, "accounts", "factor", "--role", "security_admin", "--waive", *data) == {"demands": []}
    assert main(["accounts", "factor", "--role", "king", *data]) == 2


def test_the_first_password_is_told_until_somebody_sets_his_own(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run(capsys, "accounts", "first", "--data", str(tmp_path))
    again = run(capsys, "accounts", "first", "--data", str(tmp_path))
    assert first["name"] == "soc"
    assert first["password"] != again["password"]
    held = services.open_services(Settings(data=tmp_path))
    with held.database.begin() as session:
        assert users.check_password(session, "soc", first["password"]) is None
        users.set_password(session, "soc", "a password of my own 7")
    held.close()
    assert run(capsys, "accounts", "first", "--data", str(tmp_path))["password"] == "(its own)"


@pytest.mark.parametrize(("told", "reason"), [
    (("--role", "king"), "no role 'king'; the roles are agency_admin"),
    (("--role", "agency_admin"), "needs --organisation"),
    (("--role", "agency_admin", "--organisation", "atlantis"), "no organisation 'atlantis' in "),
    (("--role", "agency_admin", "--organisation", "cs-bigdat"),
     "changsha/organisations.csv; perhaps cs-bigdata (长沙市大数据中心)"),
    (("--role", "agency_admin", "--organisation", "长沙市大数据中心"), "perhaps cs-bigdata ("),
    (("--role", "system_admin", "--role", "security_admin"), "administrat"),
])
def test_what_cannot_be_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], told: tuple[str, ...],
                                        reason: str) -> None:
    assert main(["accounts", "add", "wang", *told, "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1
