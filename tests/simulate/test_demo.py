"""The demo: gentle, benign but for its attacks, on time, and going on where it stopped."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest

from collectors import parse
from simulate.demo import DemoSource
from soc_core import registry
from soc_core.clock import MINUTE, SECOND, from_text
from soc_core.protocols import Frame, Raws
from tests.cities.shared import city

BEGIN = from_text("2026-11-23T10:00:00+08:00")


class Clock:
    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> int:
        return self.at


Heard = list[tuple[int, Raws]]


def played(seconds: int, seed: int = 7, tail: Callable[[str], int] = lambda source: -1) -> tuple[DemoSource, Heard]:
    clock = Clock()
    source = DemoSource(seed, city(), tail, now=clock)
    heard = []
    for _ in range(seconds):
        clock.at += SECOND
        raws, position = source.next_batch()
        assert position is None
        heard += [(clock.at, item) for item in raws]
    return source, heard


ATTACK = re.compile(rb"sqlmap|/etc/passwd|shell\.php|Nikto|Nuclei|jndi|EncodedCommand|\"1102\"|exfil\.example")
GUESS = re.compile(rb"Failed password for|\"code\":\"4625\"")


@cache
def ten_minutes() -> Heard:
    return played(600)[1]


def test_many_systems_and_kinds_at_a_gentle_rate() -> None:
    heard = ten_minutes()
    count = sum(len(raws.lines) for _, raws in heard)
    assert 15 < count / 600 < 80
    assert all(raws.origin.realm == "demo" and raws.origin.source.startswith("demo/") for _, raws in heard)
    kinds = {raws.origin.source.split("/")[2] for _, raws in heard}
    assert {"linux", "nginx", "winlogbeat", "eve_dns", "sso"} <= kinds
    names = "\n".join(f"{raws.origin.source} {line!r}" for _, raws in heard for line in raws.lines)
    named = set(re.findall(r"[a-z0-9-]+-\d\d", names))
    found = {host.system for host in city().hosts if host.name in named}
    assert len(found) >= 20


def test_first_attack_within_twenty_seconds_then_every_two_to_five_minutes() -> None:
    for seed in (1, 2, 3):
        source, _ = played(1, seed)
        assert source._due - BEGIN <= 20 * SECOND
        begun = []
        before = source._due
        for _ in range(4):
            source._strikes(source._due - SECOND, source._due)
            begun.append(source._due - before)
            before = source._due
        assert all(2 * MINUTE <= gap <= 5 * MINUTE + SECOND for gap in begun)
    assert min(at for at, raws in ten_minutes() if attacked(raws)) <= BEGIN + 20 * SECOND


def attacked(raws: Raws) -> bool:
    return any(ATTACK.search(line) for line in raws.lines) or sum(bool(GUESS.search(line)) for line in raws.lines) >= 2


def test_lines_outside_attacks_are_benign() -> None:
    clock = Clock()
    source = DemoSource(11, city(), now=clock)
    source._due = BEGIN + 10**15
    texts: list[bytes] = []
    for _ in range(300):
        clock.at += SECOND
        texts += [line for raws in source.next_batch()[0] for line in raws.lines]
    assert len(texts) > 3000
    assert not [line for line in texts if ATTACK.search(line)]
    assert sum(bool(GUESS.search(line)) for line in texts) < 15


def test_positions_go_on_after_a_restart() -> None:
    places: dict[str, int] = {}
    for _ in range(2):
        for _, raws in played(20, tail=lambda name: places.get(name, -1))[1]:
            assert raws.positions is not None
            first = places.get(raws.origin.source, -1) + 1
            assert raws.positions.tolist() == list(range(first, first + len(raws.lines)))
            places[raws.origin.source] = int(raws.positions[-1])
    assert len(places) > 20


def test_nothing_is_due_yet() -> None:
    source = DemoSource(1, city(), now=Clock())
    assert source.next_batch() == ([], None)
    source.ack(None)
    source.close()


@pytest.mark.parametrize("seed", [4])
def test_the_same_seed_plays_the_same_minute(seed: int) -> None:
    first = [(at, raws.origin, list(raws.lines)) for at, raws in played(30, seed)[1]]
    assert first == [(at, raws.origin, list(raws.lines)) for at, raws in played(30, seed)[1]]


def test_every_line_comes_with_its_format() -> None:
    """Without one the worker would try every format on every handful of lines: most of its time, for nothing."""
    _, heard = played(30)
    assert {raws.origin.format for _, raws in heard} <= set(registry.names(parse.PACKAGE))
    frames = [Frame(0, number, raws) for number, (_, raws) in enumerate(heard)]
    assert parse.parse(frames).faults == []
