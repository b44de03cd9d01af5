"""The register beside what was heard, and answers that are held for a moment."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import get_args

from casework import register
from casework.recent import Recent
from casework.services import Services
from soc_core import clock
from soc_core.access import Scope
from soc_core.events import EventBatch
from soc_core.pack import Code
from soc_core.store.embedded import EmbeddedStore
from tests.soc_ui.prepared import EDU

NOW = clock.from_text("2026-11-23T02:00:00Z")
SYSTEM = "campus_safety"


def row(at: int, ago: int, **fields: object) -> dict[str, object]:
    when = clock.to_datetime(NOW - ago * clock.SECOND)
    return {"event.id": f"{at:032x}", "@timestamp": when, "event.ingested": when, "event.original": str(at),
            "organization.id": EDU, "soc.system.id": SYSTEM, "soc.source": "s", "soc.partition": 0, "soc.offset": at,
            **{name.replace("__", "."): value for name, value in fields.items()}}


def test_every_code_of_the_inventory_has_its_marks() -> None:
    assert set(register.codes()) == set(get_args(Code))


def test_each_kind_is_heard_by_its_marks_also_behind_a_flood_of_others(tmp_path: Path) -> None:
    flood = [row(n, n % 50, log__syslog__appname="app", event__module="system") for n in range(register.LATEST + 50)]
    few = [
        row(9_001, 4_000, log__syslog__appname="postfix/smtpd"), row(9_002, 5_000, event__module="sso"),
        row(9_003, 6_000, message="CEF:0|Example|WAF|6.1|1|x"), row(9_004, 7_000, event__dataset="windows.security"),
        row(9_005, 8_000, sigma__logsource=["/dns/"]), row(9_006, 40 * 86_400, event__module="iot"),
    ]
    codes = {"APP", "MAIL", "SSO", "WAF", "HOST", "DNS", "IOT", "DLP", "NET"}
    with EmbeddedStore(tmp_path / "real") as store:
        store.write(EventBatch.from_dicts(flood + few))
        heard = register.listen(store, Scope(frozenset({EDU})), [(SYSTEM, code) for code in codes], NOW)
        assert {code: (NOW - last) // clock.SECOND for (_, code), last in heard.items()} == {
            "APP": 0, "MAIL": 4_000, "SSO": 5_000, "WAF": 6_000, "HOST": 7_000, "DNS": 8_000}
        assert not register.listen(store, Scope(frozenset({"cs-police"})), [(SYSTEM, "APP")], NOW)


def test_what_was_never_connected_is_a_gap_not_a_silence(services: Services) -> None:
    found = {(item.system, item.code): item.state for item in register.expected(services, EDU, clock.now())}
    for system in services.inventory.systems_of(EDU):
        for item in system.sources:
            assert found[system.id, item.code] in (
                ("heard", "late", "never") if item.connected else ("heard", "late", "gap"))


def test_terms_keep_their_stars_and_nothing_else() -> None:
    assert register.term("app") == '"app"'
    assert register.term("*|WAF|*") == "*\\|WAF\\|*"
    assert register.marked({"a": ["x", "yz"]}, "a", ["y*"])
    assert not register.marked({}, "a", ["*"])
    assert fnmatch.fnmatchcase("windows.security", "windows.*")


def test_an_answer_is_held_for_a_moment_and_few_are_kept() -> None:
    asked: list[str] = []

    def ask(held: Recent[str], key: str) -> str:
        return held.get(key, lambda: (asked.append(key), key.upper())[1])

    held: Recent[str] = Recent(60.0, kept=2)
    assert [ask(held, key) for key in ("a", "a", "b", "c", "a")] == ["A", "A", "B", "C", "A"]
    assert asked == ["a", "b", "c", "a"], "the oldest of three was dropped"
    at_once: Recent[str] = Recent(0.0)
    ask(at_once, "x")
    ask(at_once, "x")
    assert asked[-2:] == ["x", "x"]
