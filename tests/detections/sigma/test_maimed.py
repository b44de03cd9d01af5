"""Rules with something odd in any place: set aside with a reason or used, and never a traceback. Reseeded by date."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import yaml

from detections.sigma.blind import Sight
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import parse
from detections.sigma.map import Mapper
from soc_core.events import EventBatch

TIMES = 120
RULE = """title: {0}
name: {0}
id: 00000000-0000-4000-8000-00000000000{1}
logsource: {{product: linux}}
detection:
  s: {{user.name|contains: a, source.port|gt: 5, x|re|i: a.b, y|cidr: 10.0.0.0/8, z|expand: '%a%', t|hour|gte: 3}}
  k: [a, b]
  condition: s or 1 of k*
tags: [attack.t1110]
level: high
"""
REST = """title: both
name: both
id: 00000000-0000-4000-8000-00000000000c
correlation:
  {{type: {}, rules: [one, two], group-by: [user.name, who], timespan: 5m, condition: {{gte: 2, lt: 9, field: a.b}},
   aliases: {{who: {{one: source.ip, two: user.name}}}}}}
generate: true
---
title: but
logsource: {{product: linux}}
filter: {{rules: [one, both], s: {{user.name: x}}, condition: not s}}
"""
KINDS = ("event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_percentile")
ODD: list[Any] = [
    None, [], {}, 5, -1, 10**40, 1.5, True, "", "x", "*", "%x%", "a b", "1 of", "(", "one", "both", [None], [[]], [{}],
    {"a": None}, {"a|b": 1}, {"|all": ["a"]}, {"a|re": "("}, {"a|re": "(?<=x)y"}, "not", "😀", "99999999999999d", "5m",
    ["both"], ["one", "one"], {"gt": -1}, "2026-11-23", "s[*", "1 of s[*", {"field": None, "gte": 1}, "a" * 5000,
    {"a|gt": 10**40}, {"a|windash": "-a -b -c -d -e -f -g -h"}, {"a|hour": 10**9}, {"a|cidr": 5}, {"x|exists": "no"},
]
NEW = ("x", "|all", "a|re", "condition", "rules", "level", "name", "id", "generate", "timespan", "taxonomy")
EVENT = {"event.id": "1", "@timestamp": 1_790_000_000_000_000, "event.ingested": 1_790_000_000_000_000,
         "user.name": "a", "source.ip": "10.0.0.1", "source.port": 7, "sigma.logsource": ["*"], "message": "a b"}


def places(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """(what holds it, its key) of everything within."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, below in items:
        yield node, key
        yield from places(below)


def maimed(documents: list[Any], rnd: random.Random) -> list[Any]:
    made = copy.deepcopy(documents)
    for _ in range(rnd.randint(1, 2)):
        holder, key = rnd.choice(list(places(made)))
        match rnd.choices(("other", "gone", "more"), (14, 3, 3))[0]:
            case "other":
                holder[key] = copy.deepcopy(rnd.choice(ODD))
            case "gone":
                del holder[key]
            case _ if isinstance(holder, dict):
                holder[rnd.choice(NEW)] = copy.deepcopy(rnd.choice(ODD))
    return made


def test_nothing_in_a_rule_ends_the_load() -> None:
    rnd = random.Random(datetime.now(UTC).strftime("%Y-%m-%d"))
    sight, batch = Sight(Mapper()), EventBatch.from_dicts([EVENT])
    used = aside = 0
    for number in range(TIMES):
        rest = REST.format(KINDS[number % len(KINDS)])
        whole = "---\n".join([RULE.format("one", "a"), RULE.format("two", "b"), rest])
        text = "\n---\n".join(map(json.dumps, maimed(list(yaml.safe_load_all(whole)), rnd)))
        try:
            found = parse(text)
            sight.of(found)
            detector = SigmaDetector(found, engine="re2")
            detector.detect(batch)
            detector.tick(EVENT["@timestamp"])  # type: ignore[arg-type]
            detector.settle()
        except Exception as error:
            raise AssertionError(text) from error
        assert all(failure.line > 0 and failure.reason and " at 0x" not in failure.reason for failure in found.failed)
        used, aside = used + len(found.items), aside + len(found.failed)
    assert min(used, aside) > TIMES // 4
