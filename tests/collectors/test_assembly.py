"""Whatever comes: no exception out, every line in exactly one of events, faults, merged and held."""

from __future__ import annotations

import logging
import random
import time
from itertools import pairwise

import pytest

from bench.fuzz import mutated, seeds
from collectors import assembly
from collectors.assemble import auditd
from collectors.parse import parse
from soc_core.clock import LATEST
from soc_core.protocols import Frame, Origin, Raws
from tests.collectors.formats.fixtures import CONTEXT

JOINED = ("auditd", "cri", "windows_event", "application", "mysql", "modsecurity", "radius", "snort")


def frames(name: str, seed: int) -> list[Frame]:
    """Mutated lines of one format from three sources, interleaved."""
    draw, real = random.Random(seed), seeds(name)
    lines = [draw.choice(real) if draw.random() < 0.5 else mutated(real, name, seed + n) for n in range(80)]
    cuts = [0, *sorted(draw.sample(range(1, 80), 9)), 80]
    return [Frame(0, start, Raws(Origin(source=f"s{n % 3}", format=name), lines[start:end], CONTEXT.received))
            for n, (start, end) in enumerate(pairwise(cuts))]


@pytest.mark.parametrize("name", JOINED)
@pytest.mark.parametrize("now", [0, LATEST])
def test_every_line_has_one_place(name: str, now: int, caplog: pytest.LogCaptureFixture) -> None:
    for given in [frames(name, int(time.strftime("%j")) * 1000)]:
        with caplog.at_level(logging.ERROR):
            made = assembly.assemble(parse(given), given, now)
        parsed = made.parsed
        events = set(zip(parsed.frame_no.tolist(), parsed.line_no.tolist(), strict=True))
        faults = [(fault.frame, fault.line) for fault in parsed.faults]
        found = sorted([*events, *faults, *parsed.merged, *made.held])
        assert found == [(n, line) for n, frame in enumerate(given) for line in range(len(frame.raws.lines))]
        assert len(parsed.frame_no) == parsed.batch.height
        assert not (made.held and now == LATEST)
        assert {place for lines in parsed.joined for place in lines[1:]} <= set(parsed.merged)
    assert not caplog.records


@pytest.mark.parametrize("part", ["links", "join"])
def test_a_broken_assembler_leaves_events_as_they_are(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for line in seeds("auditd") if b":8832)" in line]
    given = [Frame(0, 0, Raws(Origin(source="a", format="auditd"), lines, CONTEXT.received))]
    monkeypatch.setattr(auditd, part, lambda frame: 1 / 0)
    made = assembly.assemble(parse(given), given, LATEST)
    assert (made.parsed.batch.height, made.held, made.parsed.merged) == (5, [], [])
