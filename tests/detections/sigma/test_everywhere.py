"""Rules with every chain of modifiers over columns of every type: the reference, the stream with either pattern
engine, and a hunt over stored events, for all rules at once and for few, give the same pairs. Reseeded by date."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from detections.sigma.evaluate import SigmaDetector
from detections.sigma.hunt import FEW, Hunt
from detections.sigma.load import parse
from detections.sigma.map import Mapper
from detections.sigma.rule import LogSource, RuleSet
from soc_core.access import PLATFORM
from soc_core.events import EventBatch
from soc_core.models import Finding
from soc_core.protocols import Query
from soc_core.store.embedded import EmbeddedStore
from tests.detections.sigma import events, reference

Pairs = set[tuple[str, str]]
RULES, EVENTS = 120, 50
FIELDS = ("process.command_line", "user.name", "source.ip", "event.code", "file.path", "message", "@timestamp",
          "host.ip", "process.args", "no.such", "destination.port", "event.ingested")
LETTERS = 'aAbB-/\\*?. %ßẞKé–中😀\n"%0145:'
KNOWN = ("powershell", "cmd", "-enc", "/enc", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "10", "1.5", "-3", "0x10",
         "true", "", "C:\\x\\", "C:\\\\x", "\\", "*", "?", "\\*")
CHAINS = (
    "", "", "contains", "startswith", "endswith", "contains|all", "all", "cased", "cased|contains", "contains|cased",
    "windash", "windash|contains", "contains|windash|all", "neq", "contains|neq", "startswith|neq", "cased|neq",
    "base64", "base64offset|contains", "wide|base64offset|contains", "cased|base64", "utf16|base64", "cased|windash",
    "utf16be|base64offset|contains", "windash|base64", "endswith|cased|all", "wide", "wide|contains",
)
EXPRESSIONS = ("^a", "b$", "a.b", "[ab]+-", "(a|B)?\\.", "a{2,3}", "\\\\", "^$", "[^a]", "a$|^-", "(?i)A", "\\bcmd\\b",
               "\\d+", "é", ".{3}")
CONDITIONS = ("a", "not a", "a and b", "a or b", "a and not b", "not a or b and c", "1 of a*", "all of them",
              "not 1 of them", "(a or b) and not (b and c)", "a or not all of them")


class Maker:
    """Rules and events that speak of the same few things."""

    def __init__(self, seed: str) -> None:
        self.any = random.Random(seed)
        self.words = [self.word() for _ in range(60)] + list(KNOWN)

    def word(self) -> str:
        return "".join(self.any.choices(LETTERS, k=self.any.randint(0, 6)))

    def value(self) -> str:
        found = self.any.choice(self.words)
        return found[: self.any.randint(0, len(found))] if self.any.random() < 0.3 else found

    def entry(self) -> tuple[str, Any]:
        field, one = self.any.choice(FIELDS), self.any.choice
        kinds = {"text": 11, "re": 2, "size": 2, "exists": 1, "ref": 1, "cidr": 1, "time": 1, "null": 1}
        match self.any.choices(list(kinds), list(kinds.values()))[0]:
            case "text":
                chain, values = one(CHAINS), [self.value() for _ in range(self.any.randint(1, 3))]
                if not chain and self.any.random() < 0.3:
                    return field, one([5, 10, 4688, 1.5, True, False, None])
                return "|".join(filter(None, (field, chain))), values
            case "re":
                return field + one(("|re", "|re|i", "|re|m", "|re|s", "|re|i|s", "|re|neq")), one(EXPRESSIONS)
            case "size":
                return field + one(("|lt", "|lte", "|gt", "|gte", "|lt|neq")), one([0, 1, 5, 10, 1.5, -3, 4688])
            case "exists":
                return field + "|exists", self.any.random() < 0.5
            case "ref":
                return field + "|fieldref" + one(("", "|contains", "|startswith", "|endswith", "|neq")), one(FIELDS)
            case "cidr":
                return field + one(("|cidr", "|cidr|neq")), one(("10.0.0.0/8", "2001:db8::/32", "::/0", "10.1.2.3"))
            case "time":
                part = one(("hour", "minute", "day", "week", "month", "hour|gte", "minute|lt", "day|gt", "hour|neq"))
                return f"{one(('@timestamp', 'message', 'event.ingested'))}|{part}", one((1, 2, 3, 11, 20))
        return field, None

    def selection(self) -> Any:
        words = [self.value() or "x", self.value() or "y"]
        return self.any.choice((
            *[dict(self.entry() for _ in range(self.any.randint(1, 3))) for _ in range(4)],
            [dict([self.entry()]), dict([self.entry()])], words, {"|all": words},
        ))

    def rule(self, number: int) -> dict[str, Any]:
        return {"title": f"r{number}", "id": f"00000000-0000-4000-8000-{number:012d}", "logsource": {"product": "x"},
                "detection": {name: self.selection() for name in "abc"} | {"condition": self.any.choice(CONDITIONS)}}

    def text(self) -> str:
        return "".join(self.any.choice((self.value(), self.word(), " ")) for _ in range(self.any.randint(0, 3)))

    def event(self, number: int) -> dict[str, Any]:
        one, value = self.any.choice, self.value()
        day = datetime(2026, one((1, 2, 11)), one((1, 11, 28)), one((0, 2, 3, 20)), one((0, 2, 11)), tzinfo=UTC)
        given = {
            "process.command_line": one((self.text(), value, base64.b64encode(value.encode()).decode(),
                                         base64.b64encode(f"xx{value}".encode("utf-16-le")).decode())),
            "user.name": one((self.text(), value)),
            "source.ip": one(("10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3")),
            "event.code": one(("10", "4688", "5", "x")), "file.path": self.text(), "event.original": self.text(),
            "message": one((self.text(), "2026-11-23T02:11:00Z", value)), "host.ip": ["10.1.2.3", "192.168.0.1"],
            "process.args": [self.text() for _ in range(self.any.randint(1, 3))], "destination.port": one((5, 10, 80)),
        }
        return {name: held for name, held in given.items() if self.any.random() < 0.7} | {
            "event.id": f"{number:032x}", "@timestamp": day, "sigma.logsource": ["x//"], "soc.source": "s",
            "event.ingested": datetime(2026, 11, 23, 3, 1, tzinfo=UTC) + timedelta(seconds=number),
            "soc.realm": "real", "soc.partition": 0, "soc.offset": number,
        }


def pairs(found: Iterable[Finding]) -> Pairs:
    return {(each.rule_id, each.event_id) for each in found}


def expected(rules: list[dict[str, Any]], batch: EventBatch) -> Pairs:
    mapper, out = Mapper(), set()
    for row in events.rows(batch):
        lookup, texts = events.lookup(row, mapper, LogSource("x")), events.texts(row)
        out |= {(rule["id"], row["event.id"]) for rule in rules if reference.fires(rule, lookup, texts)}
    return out


def hunted(rules: RuleSet, store: EmbeddedStore) -> Pairs:
    return {pair for found in Hunt(rules).search(store, Query(), PLATFORM.scope) for pair in pairs(found)}


def test_the_same_pairs_everywhere(tmp_path: Path) -> None:
    seed = datetime.now(UTC).strftime("%Y-%m-%d")
    maker = Maker(seed)
    made = [maker.rule(number) for number in range(RULES)]
    loaded = parse("\n---\n".join(json.dumps(rule, ensure_ascii=False) for rule in made))  # YAML, too
    assert {failure.reason for failure in loaded.failed} <= {"a value with wildcards cannot be encoded"}
    usable = {rule.id for rule in loaded.rules}
    assert len(usable) > FEW
    batch = EventBatch.from_dicts([maker.event(number) for number in range(EVENTS)])
    want = expected([rule for rule in made if rule["id"] in usable], batch)
    assert len(want) > len(usable)
    got = {engine: pairs(SigmaDetector(loaded, engine=engine).detect(batch)) for engine in ("auto", "re2")}
    with EmbeddedStore(tmp_path) as store:
        store.write(batch)
        got["hunt for all"] = hunted(loaded, store)
        few = [replace(loaded, rules=loaded.rules[at : at + 30]) for at in range(0, len(loaded.rules), 30)]
        got["hunt for few"] = set().union(*(hunted(part, store) for part in few))
    wrong = {name: sorted(found ^ want)[:3] for name, found in got.items() if found != want}
    assert wrong == {}, f"seed {seed}"
