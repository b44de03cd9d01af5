"""Every format against native lines, field by field, malformed ones included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soc_core.schema import SCHEMA
from tests.collectors.formats.fixtures import cases, observed


@pytest.mark.parametrize(("name", "log"), list(cases()), ids=lambda part: part if isinstance(part, str) else part.stem)
def test_lines_become_exactly_these_events(name: str, log: Path) -> None:
    expected = json.loads(log.with_suffix(".json").read_text(encoding="utf-8"))
    found = observed(name, log)
    assert found["faults"] == expected["faults"]
    assert found["merged"] == expected["merged"]
    assert [event["line"] for event in found["events"]] == [event["line"] for event in expected["events"]]
    for event, wanted in zip(found["events"], expected["events"], strict=True):
        assert event == wanted, f"line {wanted['line']}"


@pytest.mark.parametrize(("name", "log"), list(cases()), ids=lambda part: part if isinstance(part, str) else part.stem)
def test_each_line_has_one_fate_and_each_event_its_ecs_frame(name: str, log: Path) -> None:
    found = observed(name, log)
    lines = log.read_bytes().count(b"\n")
    events = {event["line"] for event in found["events"]}  # several may share a line
    fates = [*events, *(int(line) for line in found["faults"]), *found["merged"]]
    assert sorted(fates) == list(range(1, lines + 1))
    for event in found["events"]:
        if name == "ecs":
            continue  # says what its sender said
        assert {"event.kind", "event.category", "event.type", "event.dataset", "event.module"} <= event.keys()
        assert all(SCHEMA.get(field) for field in event.keys() - {"line"})
