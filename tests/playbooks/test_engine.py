from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from detections.triage import apply
from playbooks import document, engine
from soc_core import clock, registry
from soc_core.access import EVERYTHING, NOTHING
from soc_core.config import Settings
from soc_core.models import Finding, Level
from soc_core.protocols import Preview, Probe, Result
from soc_core.state import outbox, runs
from soc_core.state.database import Database

NOW = clock.now()


class Killed(BaseException):
    """The process ends here, as with kill -9: nothing is tidied up."""


class Double:
    """An action whose behaviour a test decides; it notes every call."""

    class Args(BaseModel):
        what: str

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.outcomes: list[Any] = []
        self.state: Probe = "unknown"
        self.approval = False

    def plan(self, ctx: dict[str, Any], args: dict[str, Any]) -> Preview:
        return Preview(f"do {args['what']}", self.approval)

    def run(self, ctx: dict[str, Any], args: dict[str, Any]) -> Result:
        self.calls.append(("run", ctx["key"], args["what"]))
        outcome = self.outcomes.pop(0) if self.outcomes else True
        if isinstance(outcome, BaseException):
            raise outcome
        return Result(outcome, "did it" if outcome else "did not", {})

    def probe(self, ctx: dict[str, Any], intent: dict[str, Any]) -> Probe:
        self.calls.append(("probe", ctx["key"], intent["args"]["what"]))
        return self.state


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    made = Double()
    module = ModuleType("playbooks.actions.double")
    module.__dict__.update(Args=Double.Args, plan=made.plan, run=made.run, probe=made.probe)
    monkeypatch.setitem(sys.modules, "playbooks.actions.double", module)
    real = registry.names
    monkeypatch.setattr(registry, "names", lambda package: (*real(package), "double"))
    document._cached.cache_clear()
    yield made
    document._cached.cache_clear()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "library").mkdir()
    return Settings(data=tmp_path, playbooks=[tmp_path / "library"])


def playbook(settings: Settings, steps: str, name: str = "one", trigger: str = "{level: high}") -> None:
    text = f"id: {name}\ntitle: t\ntrigger: {trigger}\nsteps:\n{steps}\n"
    (settings.playbooks[0] / f"{name}.yml").write_text(text, encoding="utf-8")


def raise_alert(database: Database, n: int = 1, level: Level = "high", realm: str = "real") -> None:
    found = Finding("r1", f"{n:032x}", NOW, level, "暴力破解", (("source.ip", f"192.0.2.{n}"),),
                    (("source.ip", f"192.0.2.{n}"),), ("T1110",), "c01", "s1", realm, 0, n)
    with database.begin() as session:
        apply(session, [found], NOW)


def ledger(database: Database) -> list[tuple[str, list[tuple[str, int]]]]:
    with database.read() as session:
        return [(run.state, [(step.state, step.attempts) for step in runs.steps(session, run.id)])
                for run in runs.listing(session, EVERYTHING)]


STEP = "  - {{action: double, args: {{what: '{}'}}, on_error: {}}}\n"


def test_high_alerts_reach_the_file_once(database: Database, tmp_path: Path) -> None:
    ours = Settings(data=tmp_path)
    raise_alert(database, 1, "high")
    raise_alert(database, 2, "medium")
    raise_alert(database, 3, "critical", "demo")
    assert engine.run_once(database, ours) == 2
    assert engine.run_once(database, ours) == 0
    lines = [orjson.loads(line) for line in (tmp_path / "notifications.jsonl").read_bytes().splitlines()]
    assert [line["message"] for line in lines] == [
        "[real] high: 暴力破解 (c01 source.ip 192.0.2.1)", "[demo] critical: 暴力破解 (c01 source.ip 192.0.2.3)"]
    assert ledger(database) == [("done", [("done", 1)])] * 2


def test_a_rise_to_high_is_told_too(database: Database, settings: Settings, double: Double) -> None:
    playbook(settings, STEP.format("{alert.level}", "retry"))
    raise_alert(database, 1, "low")
    assert engine.run_once(database, settings) == 0
    with database.begin() as session:
        apply(session, [Finding("r1", "f" * 32, NOW, "high", "t", (("source.ip", "192.0.2.1"),), (), (), "c01", "s1",
                                "real", 0, 9)], NOW)
    assert engine.run_once(database, settings) == 1
    assert [call[2] for call in double.calls] == ["high"]


@pytest.mark.parametrize(("probe", "calls"), [
    ("done", ["run", "probe"]), ("not done", ["run", "probe", "run"]), ("unknown", ["run", "probe", "run"])])
def test_killed_in_the_middle_of_a_step(
    database: Database, settings: Settings, double: Double, probe: Probe, calls: list[str]
) -> None:
    playbook(settings, STEP.format("first", "retry") + STEP.format("second", "retry"))
    raise_alert(database)
    double.outcomes = [True, Killed()]
    with pytest.raises(Killed):
        engine.run_once(database, settings, NOW)
    assert ledger(database) == [("running", [("done", 1), ("intent", 1)])]
    assert engine.run_once(database, settings, NOW) == 0  # still leased to the dead one
    double.state = probe
    assert engine.run_once(database, settings, NOW + engine.LEASE) == 1
    second = [call for call in double.calls if call[2] == "second"]
    assert [call[0] for call in second] == calls
    assert len({call[1] for call in second}) == 1  # one key for ever
    assert [call[0] for call in double.calls if call[2] == "first"] == ["run"]
    assert [state for state, _ in ledger(database)] == ["done"]


def test_a_failure_is_retried_from_where_it_failed(database: Database, settings: Settings, double: Double) -> None:
    playbook(settings, STEP.format("first", "retry") + STEP.format("second", "retry"))
    raise_alert(database)
    double.outcomes = [True, False, RuntimeError("broken"), True]
    assert engine.run_once(database, settings, NOW) == 1
    assert ledger(database) == [("retrying", [("done", 1), ("failed", 1)])]
    assert engine.run_once(database, settings, NOW) == 0
    engine.run_once(database, settings, NOW + clock.MINUTE)
    assert ledger(database) == [("retrying", [("done", 1), ("failed", 2)])]
    engine.run_once(database, settings, NOW + clock.HOUR)
    assert ledger(database) == [("done", [("done", 1), ("done", 3)])]
    assert [call[2] for call in double.calls] == ["first", "second", "second", "second"]


def test_given_up_after_many_and_shown(database: Database, settings: Settings, double: Double) -> None:
    playbook(settings, STEP.format("only", "retry"))
    raise_alert(database)
    double.outcomes = [False] * 50
    for day in range(20):
        engine.run_once(database, settings, NOW + day * clock.DAY)
    assert ledger(database) == [("failed", [("failed", outbox.ATTEMPTS)])]
    with database.read() as session:
        (given_up,) = outbox.given_up(session)
    assert "did not" in given_up.error


@pytest.mark.parametrize(("on_error", "state", "called"), [
    ("stop", "failed", ["first"]), ("continue", "done", ["first", "second"])])
def test_what_else_a_failure_may_mean(
    database: Database, settings: Settings, double: Double, on_error: str, state: str, called: list[str]
) -> None:
    playbook(settings, STEP.format("first", on_error) + STEP.format("second", "retry"))
    raise_alert(database)
    double.outcomes = [False]
    engine.run_once(database, settings, NOW)
    engine.run_once(database, settings, NOW + clock.DAY)
    assert [call[2] for call in double.calls] == called
    assert ledger(database)[0][0] == state


def test_one_playbook_does_not_hold_up_another(database: Database, settings: Settings, double: Double) -> None:
    playbook(settings, STEP.format("bad", "retry"), "a")
    playbook(settings, STEP.format("good", "retry"), "b")
    raise_alert(database)
    double.outcomes = [False, True, True]
    engine.run_once(database, settings, NOW)
    engine.run_once(database, settings, NOW + clock.DAY)
    assert [call[2] for call in double.calls] == ["bad", "good", "bad"]
    assert sorted(state for state, _ in ledger(database)) == ["done", "done"]


def test_what_needs_approval_waits(database: Database, settings: Settings, double: Double) -> None:
    playbook(settings, STEP.format("first", "retry"))
    double.approval = True
    raise_alert(database)
    engine.run_once(database, settings, NOW)
    engine.run_once(database, settings, NOW + clock.DAY)
    assert double.calls == []
    assert ledger(database) == [("waiting", [("waiting", 1)])]


def test_what_is_not_allowed_is_in_the_ledger(database: Database, settings: Settings) -> None:
    playbook(settings, "  - {action: notify_webhook, args: {url: 'http://192.0.2.1/x'}, on_error: stop}\n")
    raise_alert(database)
    engine.run_once(database, settings)
    with database.read() as session:
        (run,) = runs.listing(session, EVERYTHING, playbook="one", states=["failed"])
        (step,) = runs.steps(session, run.id)
        assert runs.listing(session, NOTHING) == []
    assert "not among the addresses" in step.summary
    assert (run.organisation, run.realm, run.context["title"]) == ("c01", "real", "暴力破解")
