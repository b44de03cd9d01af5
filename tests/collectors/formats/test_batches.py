"""A record becomes the same event whatever stands beside it: all together, each alone, and in another order.

Formats read many records at once to be fast; read one at a time there is nothing to share, so this is the slow way.
What one record lacks or has of its own must not keep from others what they would be alone: who writes one line of a
source could hide the rest.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from itertools import islice
from typing import Any

import orjson
import pytest

from bench.normalise import MAKERS
from collectors.formats import suricata_eve, windows_event
from soc_core import registry
from soc_core.schema import SCHEMA
from tests.collectors.formats.fixtures import CONTEXT, cases, rows
from tests.corpora import corpus

FORMATS = {"windows_event": windows_event, "suricata_eve": suricata_eve}
TOGETHER = {"application", "iis", "modsecurity", "mysql", "nginx", "postgresql", "radius", "snort", "tomcat",
    "zeek"}  # a record has several lines, or a header says what they mean
OWN: tuple[dict[str, Any], ...] = (
    {"source": {"ip": "192.0.2.9", "domain": "x.example"}, "related": {"ip": ["192.0.2.9"], "user": ["q"]}},
    {"source": {"address": "192.0.2.10"}, "destination": {"address": "h.example"}},
    {"url": {"original": "http://u.example/a?b=c"}}, {"url": {"domain": "d.example"}, "network": {"bytes": 7}},
)


def events(name: str, lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """The events, in columns of exactly the schema's types."""
    parsed = FORMATS[name].parse(lines, CONTEXT)
    for part in parsed.batch.parts:
        assert dict(part.frame.schema) == {column: SCHEMA.dtype(column) for column in part.frame.columns}
    return rows(parsed.batch)


def same_in_any_company(name: str, lines: list[bytes]) -> None:
    together = events(name, lines)
    assert together == [event for line in lines for event in events(name, [line])]
    order = list(range(len(lines)))
    random.Random(5).shuffle(order)
    assert events(name, [lines[n] for n in order]) == [together[n] for n in order]


@pytest.mark.parametrize("name", FORMATS)
def test_made_records(name: str) -> None:
    same_in_any_company(name, list(islice(MAKERS[name](random.Random(11)), 60)))


def test_windows_recordings() -> None:
    lines: list[bytes] = []
    for path in sorted(corpus("otrf").rglob("*.jsonl.gz"))[::6]:
        with gzip.open(path) as opened:
            lines += [line.rstrip(b"\n") for line in islice(opened, 0, 400, 57)]
    picked = random.Random(12).sample(lines, min(len(lines), 150))
    read = [line for line in picked if not windows_event.parse([line], CONTEXT).faults]
    assert len(read) > 60
    same_in_any_company("windows_event", read)


def grafted(value: Any, other: Any, chance: random.Random) -> Any:
    """A record with some of the names of another, and without some of its own."""
    if not isinstance(value, dict):
        return value
    more = other if isinstance(other, dict) else {}
    found = {name: grafted(one, more.get(name), chance) for name, one in value.items() if chance.random() > 0.15}
    return found | {name: one for name, one in more.items() if name not in value and chance.random() < 0.5}


def varied(line: bytes, records: list[Any], chance: random.Random) -> bytes:
    """The line without some words after the first, or its JSON with other names."""
    head, brace, _ = line.partition(b"{")
    if brace and records:
        try:
            return head + orjson.dumps(grafted(orjson.loads(line[len(head) :]), chance.choice(records), chance))
        except orjson.JSONDecodeError:
            pass
    words = line.split(b" ")
    return b" ".join(word for number, word in enumerate(words) if number < 6 or chance.random() > 0.15)


def objects(lines: Sequence[bytes]) -> list[Any]:
    found = []
    for line in lines:
        try:
            found.append(orjson.loads(line[line.find(b"{") :]))
        except orjson.JSONDecodeError:
            continue
    return [one for one in found if isinstance(one, dict)]


def fates(name: str, lines: Sequence[bytes]) -> list[Any]:
    """By line: its events, or why there is none."""
    parsed = registry.get("collectors.formats", name).parse(lines, CONTEXT)
    found: list[Any] = [[] for _ in lines]
    for line, row in zip(parsed.line_no.tolist(), rows(parsed.batch), strict=True):
        found[line].append(row)
    for fault in parsed.faults:
        found[fault.line] = fault.reason
    return found


@pytest.mark.parametrize("name", sorted({name for name, _ in cases()} - TOGETHER))
def test_neighbours_that_lack_something_or_have_more(name: str) -> None:
    chance = random.Random(7)
    lines = [line for each, log in cases() if each == name for line in log.read_bytes().split(b"\n") if line]
    records = objects(lines)
    records += (OWN if records else ()) * 2
    lines += [varied(line, records, chance) for _ in range(3) for line in lines]
    lines = chance.sample(lines, min(len(lines), 120))
    for line, together in zip(lines, fates(name, lines), strict=True):
        assert together == fates(name, [line])[0], line


def test_who_asks_a_web_server_for_a_whole_address_hides_nobody_s_host() -> None:
    line = b'portal.example:443 203.0.113.22 - - [20/Nov/2026:08:00:05 +0800] "GET %s HTTP/1.1" 200 1 "-" "x"'
    plain, absolute = (rows(registry.get("collectors.formats", "apache").parse(
        [line % b"/a", line % b"http://other.example/b"], CONTEXT).batch))
    assert (plain["url.domain"], absolute["url.domain"]) == ("portal.example", "other.example")
