"""Recordings: the same seed the same bytes; the truth never in what is delivered; every line native and readable."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.parse import parse
from drills import scenario
from drills.emulate import Recording, record
from drills.truth import Truth, verify
from soc_core.protocols import Frame, Raws

NAMES = scenario.listed()


def lines(raws: Sequence[Raws]) -> dict[tuple[str, int], bytes]:
    return {(one.origin.source, int(position)): line
            for one in raws for position, line in zip(one.positions, one.lines, strict=True)}  # type: ignore[arg-type]


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 10**9))
def test_same_seed_same_bytes(name: str, seed: int) -> None:
    one, two = (record(scenario.load(name), seed) for _ in range(2))
    assert one.lines == two.lines
    assert one.truth().seal() == two.truth().seal()
    assert [raws.origin for raws in one.raws()] == [raws.origin for raws in two.raws()]
    assert record(scenario.load(name), seed + 1).truth().seal() != one.truth().seal()


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 10**6))
def test_the_placebo_is_the_rest_at_the_same_places(name: str, seed: int) -> None:
    recording = record(scenario.load(name), seed)
    whole, placebo = lines(recording.raws()), lines(recording.raws(attack=False))
    hostile = {(source, position) for fact in recording.truth().facts if fact.kind == "attack"
               for source, positions in fact.lines.items() for position in positions}
    assert hostile
    assert placebo == {place: line for place, line in whole.items() if place not in hostile}


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_never_in_what_detectors_read(name: str) -> None:
    recording = record(scenario.load(name), 5)
    scene = recording.scenario
    told = [scene.id, scene.id.split("_")[0], scene.name.zh, scene.name.en]
    told += ["drill", "decoy", "attack", "placebo", "演练"]
    told += [text for step in scene.steps for text in (step.title.zh, step.title.en, *step.techniques)]
    for raws in recording.raws():
        everything = raws.origin.model_dump_json() + "\n" + b"\n".join(raws.lines).decode()
        for word in told:
            assert not re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", everything, re.IGNORECASE), word
        assert raws.origin.realm == "real"  # the isolation is the data directory, not a mark
        assert not raws.damaged


@pytest.mark.parametrize("name", NAMES)
def test_positions_and_times_ascend(name: str) -> None:
    recording = record(scenario.load(name), 6)
    last: dict[str, int] = {}
    moment = 0
    for raws in recording.raws():
        assert raws.positions is not None
        for position in raws.positions.tolist():
            assert position == last.get(raws.origin.source, -1) + 1
            last[raws.origin.source] = position
        assert raws.received // 10_000_000 >= moment // 10_000_000
        moment = raws.received


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_read_without_fault(name: str) -> None:
    recording = record(scenario.load(name), 7)
    frames = [Frame(0, at, raws) for at, raws in enumerate(recording.raws())]
    parsed = parse(frames)
    read = {(int(frame), int(line)) for frame, line in zip(parsed.frame_no, parsed.line_no, strict=True)}
    assert parsed.faults == []
    assert len(read) + len(parsed.merged) == len(recording.lines)
    # Not only accepted as text: the formats know what the lines are.
    assert set(parsed.batch.column("soc.format").to_list()) <= {"apache", "nginx", "ecs", "syslog", "windows_event"}
    stamps = parsed.batch.column("@timestamp")
    assert stamps.null_count() == 0
    early, late = recording.lines[0].at, recording.lines[-1].at
    micros = stamps.cast(int).to_list()
    assert early - 1_000_000 <= min(micros)
    assert max(micros) <= late + 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_addresses_are_nobodys(name: str) -> None:
    text = b"\n".join(line.text for line in record(scenario.load(name), 8).lines).decode()
    versions = "Chrome|Safari|AppleWebKit|Version|Firefox|Edge|MicroMessenger|Platform"
    skipped = re.compile(rf"({versions})[/\\][\d.]+", re.IGNORECASE)
    for found in set(re.findall(r"(?<![\d.\w/])\d{1,3}(?:\.\d{1,3}){3}(?![\d.-])", skipped.sub("", text))):
        address = ipaddress.ip_address(found)
        assert any(address in net for net in scenario.RESERVED if net.version == 4), found


def test_a_bent_truth_is_found_out() -> None:
    recording: Recording = record(scenario.load("D05"), 1)
    truth = recording.truth()
    seal = truth.seal()
    verify(truth, seal)
    bent = Truth(truth.scenario, truth.seed, truth.facts[1:])
    with pytest.raises(ValueError, match="changed after it was sealed"):
        verify(bent, seal)
