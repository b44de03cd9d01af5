"""Simulated lines: the same from the same seed, native, and given back to the right system."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter

import numpy as np
import pytest

from simulate import attacks, rhythm, templates
from simulate.attribution import attribution
from simulate.deliver import joined
from simulate.population import one
from simulate.run import Simulation
from simulate.streams import UNIT, Streams
from simulate.traffic import Traffic
from soc_core.clock import DAY, HOUR, SECOND, from_text
from tests.cities.shared import CITY, city

START = from_text("2026-11-23T09:00:00+08:00")


def run(seed: int, count: int = 6000, attack: int = 4) -> Simulation:
    return Simulation(city(), seed, START, count, 40.0, attacks.paths(CITY)[:1], attack)


def digest(simulation: Simulation) -> str:
    made = hashlib.sha256()
    for block in simulation.blocks():
        made.update(joined(block.lines.text)[0])
        made.update(block.strike.tobytes() + block.lines.stream.tobytes())
    return made.hexdigest()


def test_same_seed_same_bytes() -> None:
    first = digest(run(5, 2500, 2))
    assert first == digest(run(5, 2500, 2))
    assert first != digest(run(6, 2500, 2))


def test_exactly_as_many_lines_as_asked_in_order_of_time() -> None:
    simulation = run(5)
    blocks = list(simulation.blocks())
    assert sum(block.lines.height for block in blocks) == 6000
    times = np.concatenate([block.lines.time for block in blocks])
    assert (np.diff(times) >= 0).all()
    marks = np.concatenate([block.strike for block in blocks])
    counted = Counter(marks[marks >= 0].tolist())
    assert [counted[n] for n in range(len(simulation.strikes))] == [s.truth.lines for s in simulation.strikes]


def test_every_kind_of_every_system_renders_in_its_own_format() -> None:
    traffic = Traffic(city(), 1, 400.0, faults=False)
    assert {stream.system for stream in traffic.listed} >= {system.id for system in city().named}
    lines = traffic.lines(START, START + 60 * SECOND)
    by_kind: dict[str, list[str]] = {}
    for text, code in zip(lines.text.to_list(), lines.stream.tolist(), strict=True):
        by_kind.setdefault(traffic.listed[code].kind, []).append(text)
    assert len(by_kind) >= 22
    shapes = {
        "linux": r"^<\d+>\w{3} [ \d]\d [\d:]{8} \S+ [\w.-]+(\[\d+\])?: ",
        "linux5424": r"^<\d+>1 2026-11-23T09:0\d:\d\d\.\d{6}\+08:00 \S+ \S+ \S+ (- - |req \[)",
        "nginx": r'^\S+ - \S+ \[23/Nov/2026:09:0\d:\d\d \+0800\] "[A-Z]+ \S+ HTTP/[\d.]+" \d+ \d+ "[^"]*" "',
    }
    for kind, pattern in shapes.items():
        wrong = [line for line in by_kind[kind] if not re.match(pattern, line)]
        assert not [line for line in wrong if "kube-probe" not in line], wrong[:2]
    for kind in ("winlogbeat", "winflat", "eve_dns", "eve_net", "sso", "gateway", "iot", "kubernetes", "heartbeat"):
        for line in by_kind.get(kind, []):
            json.loads(line)
    whole = "\n".join(line for listed in by_kind.values() for line in listed)
    assert "${" not in whole
    assert not re.search(r"\$(host|user|client|pid|ts\w+)\b", whole)


def test_lines_are_given_to_the_right_system() -> None:
    simulation = Simulation(city(), 2, START, 9000, 9000 / (4 * 3600), attacks.paths(CITY), 60)
    lines = right = wrong = 0
    for block in simulation.blocks():
        found = attribution(block, simulation.traffic.streams, city())
        lines, right, wrong = lines + found.lines, right + found.right, wrong + found.wrong
    assert lines == 9000
    assert right / lines >= 0.999
    assert wrong == 0


def test_without_gaps_every_system_speaks() -> None:
    every = {system.id for system in city().systems.values() if system.listed}
    assert set(Streams(city(), 1, gaps=False).by_system) == every
    heard = set(Streams(city(), 1).by_system)
    assert 0.85 * len(every) < len(heard) < len(every)


def test_sessions_hang_together() -> None:
    traffic = Traffic(city(), 3, 60.0, frozenset({"my_changsha", "gov_service_4level", "sso"}), faults=False)
    texts: dict[str, list[tuple[int, str, str]]] = {}
    for minute in range(6):
        since = START + minute * 60 * SECOND
        lines = traffic.lines(since, since + 60 * SECOND)
        for text, code, at in zip(lines.text.to_list(), lines.stream.tolist(), lines.time.tolist(), strict=True):
            if found := re.search(r'trace(?:=|":\{"id":")([0-9a-f]{16})', text):
                user = re.search(r'user(?:=|":\{"name":")(\w+)', text)
                texts.setdefault(found[1], []).append((at, traffic.listed[code].code, user[1] if user else ""))
    across = [rows for rows in texts.values() if len({code for _, code, _ in rows}) >= 3]
    assert len(across) > 50
    for rows in across:
        assert len({user for _, _, user in rows if user}) == 1, "one person a session"
    first = Counter(min(rows)[1] for rows in across)
    assert first.most_common(1)[0][0] == "SSO", first


def test_day_week_and_holiday() -> None:
    calendar = rhythm.Rhythm(city().city)
    office, night = rhythm.NAMES.index("office"), rhythm.NAMES.index("night")
    workday = calendar.levels(from_text("2026-09-28T10:00:00+08:00"))
    assert workday[office] > 10 * calendar.levels(from_text("2026-09-28T03:00:00+08:00"))[office]
    assert workday[office] > 4 * calendar.levels(from_text("2026-10-01T10:00:00+08:00"))[office], "National Day"
    assert workday[office] > 4 * calendar.levels(from_text("2026-09-27T10:00:00+08:00"))[office], "Sunday, Mid-Autumn"
    made_up_for = calendar.levels(from_text("2026-10-10T10:00:00+08:00"))  # a Saturday that is worked
    assert made_up_for[office] == pytest.approx(workday[office])
    assert calendar.levels(from_text("2026-09-28T02:00:00+08:00"))[night] > 10 * workday[night]
    days = [calendar.levels(START + hour * HOUR) for hour in range(24)]
    assert np.mean(days, axis=0) == pytest.approx(1.0, abs=0.02)


def test_outages_silent_sources_dirty_lines_and_wrong_clocks() -> None:
    traffic = Traffic(city(), 4, 300.0)
    connected = sum(source.connected for _, source in city().expected_sources())
    heard = {(stream.system, stream.code) for stream in traffic.listed}
    assert 0.97 < len(heard) / connected < 1.0, "some connected sources never send"
    down = [rhythm.silence(4, START + hour * HOUR, len(traffic.listed)) for hour in range(6)]
    assert all(0.001 < hour.mean() < 0.01 for hour in down)
    assert (down[0] & down[1]).any(), "some outages last longer than an hour"
    text = traffic.lines(START, START + 100 * SECOND).text
    assert text.str.contains("\ufffd").sum() >= 1
    assert text.str.ends_with("\r").sum() >= 1
    skew = np.abs(traffic.population.cast.skew) / SECOND
    assert 0.002 < (skew > 60).mean() < 0.02


def test_bursts_move_the_volume_of_single_sources() -> None:
    levels = rhythm.noise(7, 12345, 20000)
    assert levels.mean() == pytest.approx(1.05, abs=0.12)
    assert levels.max() > 8
    assert (rhythm.noise(7, 12345, 20000) == levels).all()
    assert not (rhythm.noise(7, 12365, 20000) == levels).all()


def test_an_unknown_field_or_kind_is_named() -> None:
    with pytest.raises(LookupError, match="no kind of source named 'fax'"):
        templates.kind("fax")
    kind = templates.Kind("x", templates.KindDocument(lines=[templates.Line(text="$nonsense")]))
    traffic = Traffic(city(), 1, 10.0, frozenset({"city_portal"}))
    block = one(traffic.population.cast, np.random.default_rng(1), np.array([START]), 0, 0, 0)
    with pytest.raises(LookupError, match="nonsense"):
        kind.render(block)


def test_the_city_writes_25400_events_a_second_by_kind_of_unit() -> None:
    assert city().city.average_events_per_second == 25_400
    total = sum(UNIT[unit.kind] for unit in city().organisations.values())
    assert total == pytest.approx(25_400, rel=0.01)


def test_a_day_has_the_average_that_was_asked_for() -> None:
    traffic = Traffic(city(), 9, 0.5, frozenset(system.id for system in city().named[:12]), faults=False)
    count = sum(traffic.lines(START + n * HOUR, START + (n + 1) * HOUR).height for n in range(24))
    assert count == pytest.approx(0.5 * DAY / SECOND, rel=0.06)
