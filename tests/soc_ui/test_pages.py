"""Every page runs for every role that has it, in both languages, on full and on empty data; the others have none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from casework.services import Services, open_services
from soc_api.auth import COOKIE, Logins
from soc_core import config
from soc_core.access import Actor, Role
from soc_core.state import users
from soc_ui import components, pages, runtime, shell, text
from tests.soc_ui.prepared import EDU, PASSWORD, Prepared

MAIN = str(Path(shell.__file__).with_name("main.py"))
Run = Callable[..., tuple[AppTest, dict[str, dict[str, Any]]]]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, prepared: Prepared) -> Iterator[Services]:
    opened = open_services(config.load(data=tmp_path_factory.mktemp("empty"), city=prepared.settings.city))
    with opened.database.begin() as session:
        users.create(session, "wang", PASSWORD, [Role.ANALYST])
        users.create(session, "auditor", PASSWORD, [Role.SECURITY_AUDITOR])
    yield opened
    opened.close()


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one page as one account; what each component was handed comes back by its key."""
    handed: dict[str, dict[str, Any]] = {}

    def renderer(_name: str) -> Callable[..., Any]:
        def mount(key: str, data: dict[str, Any], **_callbacks: Any) -> None:
            handed[key] = data
        return mount

    monkeypatch.setattr(components, "renderer", renderer)

    def go(page: str, name: str = "wang", language: str = "zh", query: dict[str, str] | None = None,
           on: Services = services) -> tuple[AppTest, dict[str, dict[str, Any]]]:
        handed.clear()
        logins = Logins(on)
        token = logins.sign_in(name, PASSWORD, "127.0.0.1").token
        known = pages.of
        monkeypatch.setattr(runtime, "services", lambda: on)
        monkeypatch.setattr(runtime, "logins", lambda: logins)
        monkeypatch.setattr(shell, "cookies", lambda: {COOKIE: token, "soc_lang": language})
        with monkeypatch.context() as patch:
            patch.setattr(pages, "of", lambda actor: sorted(known(actor), key=lambda place: place.path != page))
            test = AppTest.from_file(MAIN, default_timeout=30)
            for key, value in (query or {}).items():
                test.query_params[key] = value
            test.run()
        assert not test.exception, test.exception
        return test, dict(handed)

    return go


QUERY = {"quarantine": {"reason": "no timestamp in the header", "source": "test:real:campus_safety"}}
HEADS = {"overview": "overview_head", "alerts": "queue", "unit": "unit_todo", "sources": "sources_head",
         "incidents": "incidents_head", "pipeline": "pipeline_head", "quarantine": "quarantine_head",
         "rules": "rules_head", "drill": "drill_head", "compliance": "compliance_head", "account": "account_head",
         "accounts": "accounts_head", "audit": "audit_head", "indicators": "indicators_head",
         "unowned": "unowned_head"}
WHOSE = {"accounts": "auditor", "audit": "auditor"}  # pages that an analyst has not


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("page", [place.path for place in pages.PLACES if place.path != "incident"])
def test_a_page_runs_for_who_has_it(run: Run, prepared: Prepared, page: str, language: str) -> None:
    query = {"id": prepared.alerts[0]} if page == "alert" else QUERY.get(page)
    _, handed = run(page, WHOSE.get(page, "wang"), language=language, query=query)
    assert handed["strip"]["title"] == text.translate(language, f"nav.{page}")
    assert HEADS.get(page, f"alert_{prepared.alerts[0]}") in handed


@pytest.mark.parametrize("page", [place.path for place in pages.PLACES if place.path not in ("alert", "incident")])
def test_a_page_without_data_says_why(run: Run, empty: Services, page: str) -> None:
    _, handed = run(page, WHOSE.get(page, "wang"), on=empty)
    assert HEADS[page] in handed


def test_an_agency_lands_on_its_own_page_and_has_no_other(run: Run) -> None:
    admin = Actor("a", frozenset({Role.AGENCY_ADMIN}), None, EDU)  # type: ignore[arg-type]
    assert [place.path for place in pages.of(admin)] == [
        "unit", "alerts", "alert", "incidents", "incident", "compliance", "sources", "account"]
    test, handed = run("unit", name="edu-admin")
    assert handed["unit_todo"]["tasks"]
    assert "queue" not in handed
    assert test.sidebar


def test_an_alert_of_another_is_as_if_it_were_not_there(run: Run, prepared: Prepared) -> None:
    for alert in (prepared.alerts[2], "A0"):
        test, handed = run("alert", name="edu-admin", query={"id": alert})
        assert [item.value for item in test.text] == [text.translate("zh", "common.not_found")]
        assert not any(key.startswith("alert_") for key in handed)


@pytest.mark.parametrize("page", ["overview", "unit", "alerts"])
def test_a_page_that_fails_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    for error, said in ((OSError("disk"), "common.retry"), (ZeroDivisionError(), "common.broken")):
        def fail(*_args: Any, error: Exception = error, **_named: Any) -> None:
            raise error

        for name in ("overview.overview_page", "unit.unit_home", "alerts.queue_page"):
            monkeypatch.setattr(f"soc_ui.views.{name}", fail)
        test, _ = run(page)
        assert text.translate("zh", said, reason="disk") in [item.value for item in test.text]


def test_demo_and_drill_are_marked(run: Run) -> None:
    _, handed = run("alerts")
    assert {row["realm"] for row in handed["queue"]["rows"]} == {"real", "demo"}
    _, handed = run("drill")
    assert handed["drill_head"]["badge"] == "演练"


def test_a_link_narrows_the_queue_and_can_be_cleared(run: Run) -> None:
    test, handed = run("alerts", query={"org": EDU, "level": "critical"})
    assert {row["organisation"] for row in handed["queue"]["rows"]} == {EDU}
    assert {row["level"] for row in handed["queue"]["rows"]} == {"critical"}
    assert test.button(key="queue_clear")


def test_an_administrator_lands_on_his_own_page_and_sees_no_data(run: Run) -> None:
    for name, landing in (("secadmin", "accounts"), ("auditor", "audit")):
        test, handed = run("none of them", name=name)
        assert handed["strip"]["title"] == text.translate("zh", f"nav.{landing}")
        assert not handed.keys() & {"queue", "overview_head", "unit_todo"}
        assert test.sidebar


def test_an_ended_session_shows_the_way_to_the_login(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    test, _ = run("alerts")
    monkeypatch.setattr(shell, "cookies", lambda: {COOKIE: "gone"})
    test.run()
    assert test.text[0].value == text.translate("zh", "login.expired")
