"""Logs as ECS in JSON: one line a record, whatever is in it."""

from __future__ import annotations

import io
import logging
import sys
import threading
import warnings
from collections import Counter

import orjson
import pytest

from soc_core import logs
from soc_core.tracing import Tracer


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("SOC_LOG", "json")
    monkeypatch.setenv("SOC_TRACE", "1")
    made = io.StringIO()
    logs.setup("work", made)
    return made


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in out.getvalue().splitlines()]


def test_every_record_is_one_line_of_ecs(out: io.StringIO) -> None:
    log = logging.getLogger("some.where")
    log.info("机构 %s\nnext line", "c01")
    log.error("odd extra", extra={"ecs": {"event.action": "y", "odd": object(), 7: 1}})
    try:
        raise OSError("no disk")
    except OSError:
        log.exception("failed")
    first, lone, failed = lines(out)
    assert (first["message"], first["log.level"], first["ecs.version"], first["log.logger"]) == (
        "机构 c01\nnext line", "info", logs.ECS, "some.where")
    assert str(first["@timestamp"]).endswith("Z")
    torn = logging.LogRecord("x", logging.INFO, "", 1, "lone \ud800 surrogate", (), None)  # not through the logger:
    assert "surrogate" in orjson.loads(logs.Json("work").format(torn))["message"]  # what pytest catches must be text
    odd = logging.LogRecord("x", logging.INFO, "", 1, "odd %d", ("x",), None)
    assert "odd" in orjson.loads(logs.Json("work").format(odd))["message"]
    assert lone["event.action"] == "y"
    assert (failed["error.type"], failed["error.message"]) == ("OSError", "no disk")
    assert "test_logs.py" in str(failed["error.stack_trace"])


def test_a_trace_is_a_line_and_a_thread_that_ends_says_so(out: io.StringIO) -> None:
    tracer = Tracer()
    trace = tracer.begin(3, 100)
    with trace.stage("parse"):
        pass
    tracer.finish(trace, 150, 50, 49, Counter(r=2), 0.5)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    step, ended = lines(out)
    assert step["soc.trace"]["id"] == "3:100-150"  # type: ignore[index]
    assert (ended["error.type"], ended["log.level"]) == ("ZeroDivisionError", "error")


def test_a_process_that_ends_by_an_error_and_a_warning_are_lines_too(out: io.StringIO) -> None:
    warnings.warn("soon gone", FutureWarning, stacklevel=1)
    try:
        raise RuntimeError("a defect")
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    warned, ended = lines(out)
    assert "soon gone" in str(warned["message"])
    assert (ended["log.level"], ended["error.type"], ended["message"]) == (
        "critical", "RuntimeError", "ended: a defect")


def test_traces_keep_the_last_and_the_slowest() -> None:
    tracer = Tracer()
    for number in range(50):
        trace = tracer.begin(0, number)
        trace.began -= 10 if number == 7 else 0
        trace.stages["parse"] = 0.5
        tracer.finish(trace, number + 1, 1, 1, Counter({f"r{number % 30}": 1}), 0.0)
    told = tracer.report()
    assert [each["id"] for each in told["last"]] == [f"0:{n}-{n + 1}" for n in range(46, 50)]
    assert told["slowest"][0]["id"] == "0:7-8"
    assert told["stages"] == {"parse": 25.0}
    assert told["counts"] == {"steps": 50, "records": 50, "events": 50, "findings": 50}
    assert len(told["rules"]) == 20
    assert told["costs"] == {}


def test_rules_are_told_by_what_they_cost_in_all_detectors() -> None:
    class Detector:
        def costs(self) -> dict[str, float]:
            return {f"r{number}": number / 8 for number in range(40)}

    told = Tracer().report([Detector(), object(), Detector()])
    assert list(told["costs"].items())[:2] == [("r39", 9.75), ("r38", 9.5)]
    assert len(told["costs"]) == 20


def test_an_unknown_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOC_LOG", "xml")
    with pytest.raises(ValueError, match="SOC_LOG is text or json"):
        logs.setup("x")
