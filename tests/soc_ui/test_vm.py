"""View models: the filter in the address, marks in the text, and what each page says of the same data."""

from __future__ import annotations

import orjson
import pytest

from casework.alerts import Event
from casework.rules import about, shelf
from casework.services import NotFound, Services
from soc_core.access import EVERYTHING, Actor, Role, Scope
from soc_ui.vm.alert import alert_full, met_fields, spans
from soc_ui.vm.drill import drill_page
from soc_ui.vm.overview import overview_page
from soc_ui.vm.pipeline import pipeline_page, quarantine_page
from soc_ui.vm.queue import QueueFilter, alert_peek, queue_page
from soc_ui.vm.sources import sources_page
from soc_ui.vm.unit import unit_home
from tests.soc_ui.prepared import EDU, PAYLOAD, POLICE, Prepared

CENTRE = Actor("wang", frozenset({Role.ANALYST}), EVERYTHING)
ADMIN = Actor("edu-admin", frozenset({Role.AGENCY_ADMIN}), Scope(frozenset({EDU})), EDU)


def test_a_filter_survives_its_address_and_nonsense_is_ignored() -> None:
    wanted = QueueFilter("mine", "high", "demo", "203.0.113.9 & 名", "cs-edu", "soc.ssh", "campus_safety", 24)
    from urllib.parse import parse_qsl

    assert QueueFilter.read(dict(parse_qsl(wanted.query()))) == wanted
    assert QueueFilter.read({"view": "<script>", "level": "9", "realm": "other", "hours": "-1"}) == QueueFilter()
    assert QueueFilter().query() == ""


@pytest.mark.parametrize(("text", "wanted", "found"), [
    ("Failed Password from 1.2.3.4", ["password", "1.2.3.4"], [(7, 15), (21, 28)]),
    ("名字 admin 名字", ["admin"], [(3, 8)]), ("aaa", ["aa"], []), ("", ["abc"], []), ("x" * 9, [], []),
    ("a.c abc", ["a.c"], [(0, 3)]),
])
def test_spans(text: str, wanted: list[str], found: list[tuple[int, int]]) -> None:
    assert spans(text, wanted) == found


def test_every_view_model_is_json_in_both_languages(services: Services, prepared: Prepared) -> None:
    for language in ("zh", "en"):
        views = [
            queue_page(CENTRE, services, QueueFilter()), alert_peek(CENTRE, services, language, prepared.alerts[0]),
            alert_full(CENTRE, services, shelf(services), language, prepared.alerts[0], QueueFilter()),
            overview_page(CENTRE, services, language), sources_page(CENTRE, services, language),
            unit_home(CENTRE, services, language, EDU), drill_page(CENTRE, services, language),
            pipeline_page(CENTRE, services, language), quarantine_page(CENTRE, services, language),
        ]
        for view in views:
            assert orjson.loads(orjson.dumps(view.to_json()))


def test_the_queue_hides_and_says_so(services: Services) -> None:
    page = queue_page(ADMIN, services, QueueFilter())
    assert {row.organisation for row in page.rows} == {EDU}
    assert page.hidden > 0
    assert page.total + page.hidden == queue_page(CENTRE, services, QueueFilter()).total


def test_the_raw_record_is_verbatim_and_marked(services: Services, prepared: Prepared) -> None:
    view = alert_full(CENTRE, services, shelf(services), "zh", prepared.alerts[1], QueueFilter())
    raw = view.events[0]["raw"]
    assert PAYLOAD in raw
    assert {raw[start:end] for start, end in view.events[0]["spans"]} == {"198.51.100.77", "/upload/a.jsp"}
    with pytest.raises(NotFound):
        alert_peek(ADMIN, services, "zh", prepared.alerts[2])


def test_what_met_the_rule_is_named_and_marked() -> None:
    rule = about({"detection": {
        "s": {"url.original|contains": ["../..", "absent"], "Method": "G*T", "Agent|re": ".*"}}})
    event = Event("e", 0, 0, "s", "raw", {
        "url.original": "/a?f=../../etc", "http.request.method": "GET", "message": "GET /a?f=../../etc"})
    met = met_fields(event, rule)
    assert met == {"url.original": ("contains", "/a?f=../../etc", ["../.."])}


def test_the_agency_page_answers_in_words(services: Services) -> None:
    home = unit_home(ADMIN, services, "zh", EDU)
    assert home.watched.startswith("只看到一部分")
    assert home.tasks[0]["text"] == "查看：SSH 口令猜测后登录成功"
    assert all("{" not in task["text"] + task["sub"] for task in home.tasks)
    with pytest.raises(NotFound):
        unit_home(ADMIN, services, "zh", POLICE)


def test_the_drill_page_counts_its_steps(services: Services) -> None:
    page = drill_page(CENTRE, services, "zh")
    assert page.headline == "“门户到外网的入侵”：5 步中发现 4 步。"
    assert [step["cells"][0] for step in page.steps] == ["1.A", "1.B", "1.C", "1.D", "1.E"]
    assert [step["cells"][3]["text"] for step in page.steps] == ["发现", "发现", "发现", "漏过", "发现"]
    assert drill_page(ADMIN, services, "zh").headline.startswith("还没有做过演练")


def test_the_overview_never_calls_the_demo_real(services: Services) -> None:
    police = Actor("p", frozenset({Role.ANALYST}), Scope(frozenset({POLICE})), POLICE)
    assert overview_page(police, services, "zh").headline.startswith("当前只有演示告警")
    assert overview_page(CENTRE, services, "zh").tone == "bad"
