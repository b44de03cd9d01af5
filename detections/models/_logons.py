"""Logons as values, and four invented weeks of them to measure with."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

from detections.models._text import Bools
from soc_core.clock import DAY, HOUR, MINUTE, SECOND, Micros

MONDAY: Micros = 1_772_380_800 * SECOND  # 2026-03-02 00:00 in the city, a Monday, in UTC 16:00 the day before
WEEKS = 4
PEOPLE = 150


class Logon(NamedTuple):
    """One attempt. `user` is unique within the realm; times in microseconds."""

    at: Micros
    user: str
    source: str
    host: str
    success: bool


class Person(NamedTuple):
    """How one account's owner works."""

    name: str
    start: float
    hours: float
    sources: list[str]
    hosts: list[str]
    often: float
    weekends: bool


def generate(seed: int) -> tuple[list[Logon], Bools]:
    """Logons in order of time, and which of them an intruder made (about one in a hundred; the first week has none).

    Ordinary life is in it: late work, mistyped passwords, new addresses of the same network, new servers, journeys.
    """
    rng = random.Random(f"logons {seed}")  # noqa: S311 - reproducible on purpose
    people = [_person(rng, number) for number in range(PEOPLE)]
    rows = [(logon, False) for person in people for day in range(7 * WEEKS) for logon in _day(rng, person, day)]
    for day in range(7, 7 * WEEKS):
        for _ in range(rng.choice((0, 1, 1, 2))):
            way = rng.choice((_stolen, _sprayed, _lateral, _guessed))
            rows += [(logon, True) for logon in way(rng, people, day)]
    rows.sort(key=lambda row: row[0].at)
    return [logon for logon, _ in rows], np.array([bad for _, bad in rows], dtype=bool)


def _person(rng: random.Random, number: int) -> Person:
    net = rng.randrange(24)
    sources = [f"10.64.{net}.{rng.randint(10, 250)}" for _ in range(rng.choice((1, 1, 2)))]
    hosts = [f"srv-{rng.randrange(40):02d}" for _ in range(rng.randint(1, 4))]
    return Person(f"user{number:03d}", rng.gauss(8.6, 0.6), rng.gauss(9, 0.7), sources, hosts, rng.uniform(2, 9),
                  rng.random() < 0.12)


def _day(rng: random.Random, person: Person, day: int) -> list[Logon]:
    if day % 7 >= 5 and not person.weekends and rng.random() > 0.06:
        return []
    begin = MONDAY + day * DAY
    made = []
    for _ in range(max(1, int(rng.gauss(person.often, 1.5)))):
        hour = person.start + rng.random() * person.hours
        if rng.random() < 0.02:
            hour = rng.uniform(18, 23)  # late work
        at = begin + int(hour * HOUR)
        source, host = rng.choice(person.sources), rng.choice(person.hosts)
        if rng.random() < 0.015:  # a new address of the same network
            source = f"{source.rpartition('.')[0]}.{rng.randint(10, 250)}"
        elif rng.random() < 0.003:  # a journey
            source = f"10.65.{rng.randrange(8)}.{rng.randint(10, 250)}"
        if rng.random() < 0.01:
            host = f"srv-{rng.randrange(40):02d}"
        slips = rng.choice((1, 1, 2)) if rng.random() < 0.05 else 0
        made += [Logon(at - (slip + 1) * 8 * SECOND, person.name, source, host, False) for slip in range(slips)]
        made.append(Logon(at, person.name, source, host, True))
    return made


def _stolen(rng: random.Random, people: list[Person], day: int) -> list[Logon]:
    """A stolen password, used from elsewhere, mostly at night."""
    person = rng.choice(people)
    at = MONDAY + day * DAY + int(rng.choice((rng.uniform(0, 6), rng.uniform(8, 22))) * HOUR)
    source = f"203.0.113.{rng.randint(1, 254)}"
    times = rng.randint(1, 3)
    return [Logon(at + n * 7 * MINUTE, person.name, source, rng.choice(person.hosts), True) for n in range(times)]


def _sprayed(rng: random.Random, people: list[Person], day: int) -> list[Logon]:
    """One or two tries on many accounts, slowly, and one that opens."""
    at = MONDAY + day * DAY + int(rng.uniform(0, 23) * HOUR)
    source, host = f"198.51.100.{rng.randint(1, 254)}", f"srv-{rng.randrange(40):02d}"
    tried = rng.sample(people, rng.randint(8, 25))
    made = [Logon(at + n * 40 * SECOND, person.name, source, host, False) for n, person in enumerate(tried)]
    return [*made, Logon(at + (len(tried) + 1) * 40 * SECOND, rng.choice(tried).name, source, host, True)]


def _guessed(rng: random.Random, people: list[Person], day: int) -> list[Logon]:
    """Many tries on one account from inside, and the one that opens."""
    person = rng.choice(people)
    at = MONDAY + day * DAY + int(rng.uniform(0, 23) * HOUR)
    source, host = f"10.64.{rng.randrange(24)}.{rng.randint(10, 250)}", rng.choice(person.hosts)
    tries = rng.randint(6, 30)
    made = [Logon(at + n * 5 * SECOND, person.name, source, host, False) for n in range(tries)]
    return [*made, Logon(at + tries * 5 * SECOND, person.name, source, host, True)]


def _lateral(rng: random.Random, people: list[Person], day: int) -> list[Logon]:
    """One account walks from a server to others it never used, outside its hours."""
    person = rng.choice(people)
    at = MONDAY + day * DAY + int(rng.choice((rng.uniform(0, 6), rng.uniform(19, 24))) * HOUR)
    fresh = [f"srv-{number:02d}" for number in rng.sample(range(40), 4)]
    return [Logon(at + n * 90 * SECOND, person.name, "10.8.1.20", host, True) for n, host in enumerate(fresh)]
