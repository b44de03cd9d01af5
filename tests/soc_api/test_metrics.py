"""The page of metrics: who may read it, and that it says what the state says."""

from __future__ import annotations

import inspect
import re

import pytest
from starlette.testclient import TestClient

from casework.services import Services
from soc_api import metrics
from soc_api.app import create
from soc_api.metrics import FATES, Page, escaped
from soc_core import clock
from soc_core.config import ROOT
from soc_core.state import claims, collectors, commits
from tests.soc_api.test_api import token
from tests.soc_ui.prepared import Prepared

LINE = re.compile(r'(# (HELP|TYPE) soc_\w+ .+)|(soc_\w+(\{(\w+="([^"\\\n]|\\.)*",?)+\})? -?[\d.e+-]+)')
REPORT = {"stalled": "", "process": {"cpu": 3.5, "memory": 1024}, "trace": {
    "counts": {"records": 70, "steps": 2}, "delay": 0.25, "stages": {"parse": 1.5, "store": 0.5},
    "detectors": {"sigma": 0.75}, "rules": {"r-1": 4}, "costs": {"r-2": 0.125}}}

DOORS = {"running": True, "stalled": "", "sources": {
    "udp": {"received": 9_998, "shed": 1, "kernel_drops": 1, "committed": 9_990},
    "http": {"received": 7, "shed": 0, "committed": 7, "refused": 2, "waiting_bytes": 512}}}


def read(client: TestClient, **headers: str) -> dict[str, float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    lines = answer.text.splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(set(types)) == len(types)
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    assert len(dict(pairs)) == len(pairs)
    return {name: float(value) for name, value in pairs}


@pytest.fixture
def here(services: Services, prepared: Prepared) -> TestClient:
    return TestClient(create(services, prepared.settings), client=("127.0.0.1", 5000), raise_server_exceptions=False)


def test_only_this_machine_and_the_citys_tokens_get_in(services: Services, prepared: Prepared,
                                                       here: TestClient) -> None:
    away = TestClient(create(services, prepared.settings), client=("192.0.2.9", 5000), raise_server_exceptions=False)
    assert away.get("/metrics").status_code == 401
    assert here.get("/metrics", headers={"x-forwarded-for": "192.0.2.9"}).status_code == 401
    assert here.get("/metrics", headers={"authorization": "Bearer nothing"}).status_code == 401
    assert away.get("/metrics", headers=token(away, "edu-admin")).status_code == 401
    assert away.get("/metrics", headers=token(away, "wang")).status_code == 200
    assert here.get("/metrics").status_code == 200


def test_the_page_says_what_the_state_says(services: Services, here: TestClient) -> None:
    with services.database.begin() as session:
        claims.appear(session, "w1", clock.now(), REPORT)
        collectors.tell(session, "gate", DOORS, clock.now() - 90 * clock.SECOND)
        collectors.tell(session, "left", {"running": False, "stalled": "", "sources": {}}, clock.now())
    found = read(here)
    with services.database.read() as session:
        rows = commits.fates(session)
    assert rows
    for row in rows:
        labels = f'source="{escaped(row.source)}",realm="{row.realm}"'
        assert found[f"soc_received_records_total{{{labels}}}"] == row.received
        assert sum(found[f'soc_records_total{{{labels},fate="{fate}"}}'] for fate in FATES[1:-1]) == row.received - \
            row.pending
    assert found['soc_stage_seconds_total{worker="w1",stage="parse"}'] == 1.5
    assert found['soc_detector_seconds_total{worker="w1",detector="sigma"}'] == 0.75
    assert found['soc_rule_findings_total{worker="w1",rule="r-1"}'] == 4
    assert found['soc_rule_seconds_total{worker="w1",rule="r-2"}'] == 0.125
    assert found['soc_step_delay_seconds{worker="w1"}'] == 0.25
    assert found['soc_loss_budget_left_ratio{collector="gate",door="udp"}'] == pytest.approx(-1)
    assert found['soc_door_waiting_records{collector="gate",door="udp"}'] == 8
    http = '{collector="gate",door="http"}'
    assert (found[f"soc_door_waiting_bytes{http}"], found[f"soc_door_refused_total{http}"]) == (512, 2)
    assert 90 <= found['soc_collector_silent_seconds{collector="gate"}'] < 600
    assert (found['soc_collector_up{collector="gate"}'], found['soc_collector_up{collector="left"}']) == (1, 0)
    assert found["soc_push_gaps"] == 0
    assert found["soc_workers"] == 1


def test_the_operators_page_names_metrics_that_there_are() -> None:
    quoted = "".join(re.findall(r"`[^`]*`", (ROOT / "docs" / "operate.md").read_text("utf-8")))
    told = set(re.findall(r"\bsoc_(\w+)", quoted))
    made = "".join(inspect.getsource(metrics).split())
    there = set(re.findall(r'made\.add\("(\w+)"', made))
    for first, rest in ((("journal", "shared"), ("lag_records", "committed_total")),
                        (("worker",), ("steps_total", "records_total", "events_total", "findings_total")),
                        (("received_records", "events"), ("total",)),
                        (("door",), re.findall(r'\("(\w+)","(?:counter|gauge)"', made))):
        there |= {f"{one}_{other}" for one in first for other in rest}
    assert told - {"core", "cli"} - there == set()
    assert len(told) > 25


def test_labels_and_many_sources_cannot_break_the_page() -> None:
    page = Page()
    page.add("x_total", "counter", "about", 1.5, source='a"b\\c\nd')
    page.add("x_total", "counter", "about", 2, source="e")
    assert page.text() == ('# HELP soc_x_total about\n# TYPE soc_x_total counter\n'
                           'soc_x_total{source="a\\"b\\\\c\\nd"} 1.5\nsoc_x_total{source="e"} 2\n')
