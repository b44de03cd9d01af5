"""Any bytes at all: no exception, and every line in exactly one place."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import fuzz
from soc_core import registry
from soc_core.protocols import Context
from tests.collectors.formats.fixtures import CONTEXT, cases

NAMES = registry.names("collectors.formats")
REAL = [line for _, log in cases() for line in log.read_bytes().split(b"\n") if line]
SPLICES = [b"", b"\x00", b"\xff\xfe", b'"', b"\\", b"[", b"]", b"{", b": ", b" from 10.0.0.1 port 1 ssh2", b"\xe9\x95",
    "长沙".encode("gb18030"), b"null", b"1e999", b"%"]


def mutated(line: bytes, seed: int) -> bytes:
    """A real line with a few bytes cut, doubled or replaced."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        at, width = chance.randrange(len(line) + 1), chance.choice([0, 1, 1, 3, 20])
        line = line[:at] + chance.choice([*SPLICES, line[at : at + width] * 2]) + line[at + width :]
    return line


LINES = st.lists(
    st.one_of(st.binary(max_size=80), st.tuples(st.sampled_from(REAL), st.integers(0,
        1 << 30)).map(lambda pair: mutated(*pair))),
    min_size=1, max_size=30,
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow,
    HealthCheck.data_too_large])
@given(lines=LINES)
def test_every_line_has_exactly_one_fate(name: str, lines: list[bytes]) -> None:
    module = registry.get("collectors.formats", name)
    parsed = module.parse(lines, CONTEXT)
    fates = sorted([*set(parsed.line_no.tolist()), *(fault.line for fault in parsed.faults), *parsed.merged])
    assert fates == list(range(len(lines)))
    assert len(parsed.line_no) == parsed.batch.height
    assert sorted(parsed.line_no.tolist()) == parsed.line_no.tolist()
    assert sum(part.frame.height for part in parsed.batch.parts) == parsed.batch.height
    assert all(fault.reason for fault in parsed.faults)
    assert 0.0 <= module.sniff(lines) <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_of_the_long_fuzzing_finds_nothing(name: str) -> None:
    """100 inputs a day and parser; all of them are ./soc bench fuzz."""
    assert fuzz.attack(name, int(time.strftime("%j")) * 100, 100) == []


def test_the_fuzzing_sees_what_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    module = registry.get("collectors.formats", "text")
    good = module.parse
    monkeypatch.setattr(module, "parse", lambda lines, ctx: 1 / 0)
    assert "ZeroDivisionError" in fuzz.judged("text", [b"x"])
    monkeypatch.setattr(module, "parse", lambda lines, ctx: good(lines[:-1], ctx))
    assert "one fate" in fuzz.judged("text", [b"x", b"y"])


@pytest.mark.parametrize("name", NAMES)
def test_cutting_a_batch_changes_no_event(name: str) -> None:
    """A format has no memory: one call over all lines, or one a line, gives the same events."""
    module = registry.get("collectors.formats", name)
    lines = [line for folder, log in cases() if folder == name
        for line in log.read_bytes().split(b"\n")[:-1]] or REAL[:20]
    whole = module.parse(lines, CONTEXT)
    if whole.merged:
        lines = [line for number, line in enumerate(lines) if number not in whole.merged
            and number + 1 not in whole.merged]
        whole = module.parse(lines, CONTEXT)
    single = [event for line in lines for event in _events(name, [line])]
    assert _events(name, lines) == single


def _events(name: str, lines: list[bytes]) -> list[dict[str, object]]:
    batch = registry.get("collectors.formats", name).parse(lines, CONTEXT).batch
    return [{key: value for key, value in row.items() if value is not None}
        for row in batch.frame().iter_rows(named=True)]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_no_trouble(name: str) -> None:
    module = registry.get("collectors.formats", name)
    assert module.parse([], Context(0)).batch.height == 0
    assert 0.0 <= module.sniff([]) <= 1.0
    assert 0.0 <= module.sniff([b""]) < 0.5
