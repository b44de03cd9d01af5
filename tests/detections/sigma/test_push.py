"""Rules as queries of a real Elasticsearch node: the pairs of the stream, and each difference shown."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from detections.sigma.compile import unfilled
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.limits import DIFFERENCES, INCONVERTIBLE
from detections.sigma.load import parse
from detections.sigma.lucene import Inconvertible
from detections.sigma.map import Mapper
from detections.sigma.push import Pushed, Pusher
from detections.sigma.rule import RuleSet
from detections.sigma.terms import leaves
from soc_cli import reading
from soc_core.access import EVERYTHING, Scope
from soc_core.events import EventBatch
from soc_core.protocols import Query
from soc_core.store.elastic import ElasticSettings, ElasticStore, open_store
from soc_core.store.mapping import LONGEST
from tests.corpora import corpus
from tests.detections.sigma.conftest import some

TODAY = datetime.now(UTC).strftime("%Y-%m-%d")
START = 1_790_000_000_000_000
OTHERS = 25  # rules that do not fire, asked beside those that do
LONG = "x" * 9000

EVENTS: list[dict[str, Any]] = [
    {"process.command_line": r'C:\Windows\System32\cmd.exe /c "net user" && a=b | (x) [y] {z} ~1 ^ 50% + - !'},
    {"process.command_line": "AND OR NOT TO *?", "user.name": "or"},
    {"process.command_line": "tab\tnew\nline\u3000wide", "user.name": "日本 語"},
    {"process.command_line": '<"\\x'}, {"process.command_line": ">"}, {"process.command_line": ">a b"},
    {"process.command_line": "<*y"}, {"process.command_line": "<xy"},
    {"process.command_line": "<script>/etc/passwd</script>", "user.name": "ÄÖÜ Éé", "process.pid": 443},
    {"process.command_line": "", "user.name": " "},
    {"user.name": "Root", "destination.port": 443, "event.category": ["One", "two words"]},
    {"user.name": "root\\", "destination.port": 4430, "source.ip": "10.1.2.3",
     "winlog.event_data.IpAddress": "10.1.2.3"},
    {"source.ip": "2001:DB8::1", "winlog.event_data.IpAddress": "::1", "user.name": 'a"b'},
    {"source.ip": "203.0.113.9", "winlog.event_data.IpAddress": "172.20.1.1", "process.hash.md5": "AB" * 16},
    {"winlog.event_data.IpAddress": "::ffff:10.9.9.9", "process.hash.sha256": "cd" * 32, "user.name": "x1y22z"},
    {"winlog.event_data.IpAddress": "fe80::1c", "tls.resumed": False, "user.name": "foo bar\nbaz"},
    {"url.original": "/a/%2e%2e/%2E%2e/etc/passwd?q=a+b", "tls.resumed": True},
    {"url.original": "/a%252fb%20c/../x", "event.original": 'GET /x "quoted\\path" end'},
    {"event.original": '{"cmd": "c:\\\\users\\\\x \\"say\\" Mimikatz"}', "message": "Something Else"},
    {"message": "a MIMIKATZ in the message", "overflow": '{"some": {"Deep": "Value 7", "list": ["a", "b"], "n": 5}}'},
    {"process.command_line": LONG + " Needle and more", "user.name": "long"},
    {"process.command_line": LONG, "overflow": '{"other": true}'},
    {"sigma.logsource": None, "event.dataset": "system.auth", "process.name": "sshd", "user.name": "Root"},
    {"sigma.logsource": ["windows/process_creation/"], "user.name": "Root"},
    {"sigma.logsource": ["*"], "user.name": "Root"},
    {"sigma.logsource": ["/dns/"], "user.name": "Root"},
]
CL, USER, IP = "process.command_line", "user.name", "winlog.event_data.IpAddress"
RULES: list[str] = [
    rf"{{'{CL}|contains': 'system32\CMD'}}", f"{{'{CL}|contains': '\"net user\" && a=b | (X) [y] {{z}}'}}",
    f"{{'{CL}|endswith': '~1 ^ 50% + - !'}}", f"{{'{CL}|startswith': 'c:'}}", f"{{'{CL}': 'and or not to \\*\\?'}}",
    f"{{'{CL}': 'and or not to *'}}", f"{{'{CL}': '?nd or*'}}", f"{{'{CL}': [or, and, 'not']}}", f"{{{USER}: OR}}",
    f'{{"{CL}|contains": "tab\\tNEW\\nline"}}', f'{{"{CL}|endswith": "\\u3000wide"}}', f"{{'{USER}': '日本 語'}}",
    f"{{'{CL}': '<script>/etc/passwd</script>'}}", f"{{'{CL}': ['<\"\\\\x', '>', '>a b', '<\\\\*y']}}",
    f"{{'{CL}|startswith': '<script'}}", f"{{'{CL}|startswith': '>'}}",
    f"{{'{USER}|contains': '本 '}}", f"{{'{CL}|contains|all': ['<script>', '/etc/', '</']}}",
    f"{{'{USER}': 'äöü éÉ'}}",
    f"{{'{CL}': ''}}", f"{{'{CL}': null}}", f"{{'{CL}|exists': true}}", f"{{'{CL}|exists': false}}",
    f"{{'{CL}': '*'}}", f"{{'{USER}': ' '}}", f"{{'{USER}|cased': Root}}", f"{{'{USER}|contains|cased': OO}}",
    f"{{'{USER}': 'root\\\\\\\\'}}",
    f"{{'{USER}|endswith': '\\\\\\\\'}}", f"{{'{USER}|contains': 'a\"B'}}", "{destination.port: 443}",
    "{destination.port: '0443'}", "{destination.port: x}", "{destination.port: '*'}", "{destination.port|gte: 443}",
    "{destination.port|lt: 1000}", "{destination.port|neq: 443}", "{destination.port: null}", "{process.pid: 443}",
    "{event.category: 'two words'}", "{event.category: [one, x]}", "{event.category|startswith: ONE}",
    "{tls.resumed: 'false'}", "{tls.resumed: 'TRUE'}", "{tls.resumed: 1}",
    "{tls.resumed: null}", "{source.ip|cidr: 10.0.0.0/8}", "{source.ip|cidr: '2001:db8::/32'}",
    "{source.ip: '2001:db8::1'}", "{source.ip|startswith: '203.'}", "{source.ip: null}",
    f"{{'{IP}|cidr': [10.0.0.0/9, 127.0.0.0/8]}}", f"{{'{IP}|cidr': 172.16.0.0/12}}", f"{{'{IP}|cidr': '::1/128'}}",
    f"{{'{IP}|cidr': 'fe80::/10'}}", f"{{'{USER}|re': '^x\\d[xy]\\d{{2}}z$'}}", f"{{'{USER}|re': 'ROOT'}}",
    f"{{'{USER}|re|i': 'ROOT|foo'}}", f"{{'{USER}|re': '\\bbar\\b'}}", f"{{'{USER}|re|m': '^baz$'}}",
    f"{{'{USER}|re': 'foo.*baz'}}", f"{{'{USER}|re|s': 'foo.*baz'}}", f"{{'{USER}|re|i': '(^|[^a-z])OO?t?'}}",
    f"{{'{CL}|re': '\\\\\\\\System32\\\\\\\\'}}", f"{{'{CL}|re': '</\\w+>$'}}", f"{{'{CL}|re|i': '[^\\x00-\\x7f]'}}",
    f"{{'{CL}|re': '\\\\\\\\'}}", "{url.original: null}", "{url.original|contains: '%2E'}",
    "[mimikatz]", "['\"quoted\\path\"']", "['c:\\users\\x \"SAY\"']", "['*say*katz']", "{some.Deep: 'value 7'}",
    "{some.Deep|endswith: ' 7'}", "{some.list: B}", "{some.n: 5}", "{other: 'true'}", "{some.Deep: null}",
    "{some.Deep|exists: true}", f"{{'{CL}|contains': 'xxxx needle'}}", f"{{'{CL}|endswith': 'MORE'}}",
    f"{{'{CL}|startswith': xxx}}", f"{{'{CL}|re|i': 'x+ needle'}}",
    "{some.Deep|re: 'Value \\d'}", "{some.Deep|cased: 'Value 7'}",
]
HASHES = ["{Hashes|contains: 'MD5=ABAB'}", "{Hashes|contains: ['SHA256=cdcd', 'IMPHASH=00']}",
          "{Hashes|contains: cdcd}", "{Hashes: null}", "{Hashes|startswith: 'md5=abab'}"]
URLS = ["{c-uri|contains: '../../'}", "{c-uri|contains: 'a/b c/'}", "{c-uri|endswith: 'q=a b'}",
        "{c-uri|contains: '%2e%2E'}", "{c-uri: null}", "{c-uri: '/A/b c/../X'}"]
SOURCES = ["{product: linux}", "{product: windows}", "{category: process_creation}", "{product: linux, service: sshd}",
           "{category: dns}", "{product: linux, service: auth}"]
RULE = """title: rule {number}
id: 00000000-0000-4000-8000-{number:012d}
logsource: {source}
detection: {{s: {body}, condition: {condition}}}
"""


def made() -> RuleSet:
    """Every rule above, and each under a not."""
    bodies = [("{product: linux}", body) for body in RULES]
    bodies += [("{product: windows, category: driver_load}", body) for body in HASHES]
    bodies += [("{category: proxy}", body) for body in URLS]
    bodies += [(source, "{user.name: root}") for source in SOURCES]
    texts = [RULE.format(number=2 * number + extra, source=source, body=body, condition=condition)
             for number, (source, body) in enumerate(bodies)
             for extra, condition in enumerate(("s", "not s"))]
    found = parse("---\n".join(texts))
    assert found.failed == []
    return found


def rows() -> list[dict[str, Any]]:
    common = {"event.ingested": START, "soc.source": "s", "soc.partition": 0, "soc.realm": "real",
              "sigma.logsource": ["linux//", "windows/driver_load/", "/proxy/"]}
    return [{**common, "@timestamp": START + number, "soc.offset": number, "event.id": f"{number:032x}", **event}
            for number, event in enumerate(EVENTS)]


@pytest.fixture(scope="module")
def store(elastic_url: str) -> Iterator[ElasticStore]:
    """A store with EVENTS."""
    realm = f"push.{os.getpid()}"
    with open_store(ElasticSettings(urls=[elastic_url], replicas="0", patience=60), realm) as opened:
        batch = EventBatch.from_dicts(rows())
        result = opened.write(batch)
        assert len(result.stored) == len(EVENTS)
        yield opened
    drop(elastic_url, realm)


def drop(url: str, realm: str) -> None:
    with Elasticsearch(url) as client:
        names = [item["name"] for item in client.indices.resolve_index(name=f"soc-{realm}-*")["indices"]]
        if names:
            client.indices.delete(index=names)


def streamed(rules: RuleSet, batch: EventBatch) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {rule.id: set() for rule in rules.rules}
    for match in SigmaDetector(rules).matches(batch):
        found[match.rule.id].add(match.event.text("event.id"))
    return found


def asked(store: ElasticStore, pushed: list[Pushed]) -> dict[str, set[str]]:
    """What the node answers, many rules at a time."""
    found: dict[str, set[str]] = {each.rule.id: set() for each in pushed}
    for at in range(0, len(pushed), 40):
        queries = {each.rule.id: each.query for each in pushed[at : at + 40]}
        for rule, event in store.matching(queries, Query(), EVERYTHING):
            found[rule].add(event)
    return found


def test_what_is_asked_means_what_it_means_in_the_stream(store: ElasticStore) -> None:
    rules = made()
    want = streamed(rules, EventBatch.from_dicts(rows()))
    pushed, left = Pusher().split(rules.rules)
    assert left == []
    bodies = [*RULES, *HASHES, *URLS, *SOURCES]
    wrong = []
    found = asked(store, pushed)
    for each in pushed:
        got = found[each.rule.id]
        if got != want[each.rule.id]:
            number = int(each.rule.id[-12:])
            wrong.append((bodies[number // 2], "not" * (number % 2), sorted(int(e, 16) for e in got),
                          sorted(int(e, 16) for e in want[each.rule.id]), each.text[:200]))
    assert wrong == []
    fires = sum(bool(found) for rule, found in want.items() if int(rule[-12:]) % 2 == 0)
    assert fires > 0.8 * len(bodies), "most of these rules must fire for this to mean anything"


def test_a_scope_and_a_span_narrow_what_is_pushed_down(store: ElasticStore) -> None:
    rule = next(rule for rule in made().rules if rule.id.endswith("000000"))
    queries = {"it": Pusher().push(rule).query}
    assert list(store.matching(queries, Query(), EVERYTHING)) == [("it", f"{0:032x}")]
    assert list(store.matching(queries, Query(), Scope(frozenset({"org-1"})))) == []
    assert list(store.matching(queries, Query(since=START + 1), EVERYTHING)) == []


SHOWING: dict[str, tuple[str, dict[str, Any]]] = {
    "letters": ("{user.name|startswith: secret}", {"user.name": "ſecretary"}),
    "long patterns": ("{process.command_line|contains: 'begin*needle'}",
                      {"process.command_line": "begin" + LONG + "needle"}),
    "overflow": ("{some.deep: 'value 7'}", {"overflow": '{"some": {"Deep": "Value 7"}}'}),
    "ipv6 text": ("{winlog.event_data.IpAddress|cidr: '::1/128'}", {"winlog.event_data.IpAddress": "0::0:1"}),
    "mixed decoding": ("{c-uri|contains: 'x%20y z'}", {"url.original": "/x%20y%2520z"}),
}


def test_each_difference_is_there_and_is_the_only_one(elastic_url: str) -> None:
    assert set(SHOWING) == set(DIFFERENCES)
    texts = [RULE.format(number=n, source="{category: proxy}", body=body, condition="s")
             for n, (body, _) in enumerate(SHOWING.values())]
    rules = parse("---\n".join(texts))
    batch = EventBatch.from_dicts([
        {**row, **event} for row, (_, event) in zip(
            [{k: v for k, v in row.items() if k not in (CL, USER)} for row in rows()], SHOWING.values(), strict=False)
    ])
    want = streamed(rules, batch)
    realm = f"push.odd.{os.getpid()}"
    with open_store(ElasticSettings(urls=[elastic_url], replicas="0", patience=60), realm) as opened:
        opened.write(batch)
        got = asked(opened, Pusher().split(rules.rules)[0])
    drop(elastic_url, realm)
    for number, (name, rule) in enumerate(zip(SHOWING, rules.rules, strict=True)):
        event = {f"{number:032x}"}
        assert want[rule.id] ^ got[rule.id] == event, name


IMPOSSIBLE = {
    "json path": ("{product: aws, service: cloudtrail}", "{requestParameters.attribute: x}"),
    "fieldref": ("{product: linux}", "{user.name|fieldref: host.name}"),
    "time": ("{product: linux}", "{'@timestamp|hour': 3}"),
    "number pattern": ("{product: linux}", "{destination.port|startswith: '44'}"),
    "number text": ("{product: linux}", "{user.name|gt: 3}"),
    "regex": ("{product: linux}", "{user.name|re: 'a.*\\b.*b'}"),
    "repeat": ("{product: linux}", "{user.name|re: '.{500,}'}"),
    "url regex": ("{category: proxy}", "{c-uri|re: 'a+'}"),
    "ipv6": ("{product: linux}", "{winlog.event_data.IpAddress|cidr: '2001:db8::/32'}"),
    "placeholder": ("{product: linux}", "{user.name|expand: '%admins%'}"),
    "date": ("{product: linux}", "{'@timestamp': '2026'}"),
    "long": ("{product: linux}", "{user.name|re: '" + "[ab]" * 4000 + "'}"),
}


@pytest.mark.parametrize("reason", INCONVERTIBLE)
def test_what_a_query_cannot_ask_is_said(reason: str) -> None:
    source, body = IMPOSSIBLE[reason]
    found = parse(RULE.format(number=1, source=source, body=body, condition="s"))
    assert found.failed == []
    with pytest.raises(Inconvertible, match=INCONVERTIBLE[reason][:30].replace("(", "\\(")):
        Pusher().push(found.rules[0])


def test_the_same_pairs_as_the_stream_on_recordings(elastic_url: str, public: RuleSet, fast: SigmaDetector) -> None:
    """Other recordings and other rules each day; `./soc bench pushdown` takes more of both."""
    rnd = random.Random(f"{TODAY}/push")
    paths = [path for path in some(corpus("evtx-attack-samples"), "*.evtx.gz") if path.stat().st_size < 100_000]
    batches = list(reading.read(rnd.sample(paths, 6)))
    want: dict[str, set[str]] = {}
    for batch in batches:
        for match in fast.matches(batch):
            want.setdefault(match.rule.id, set()).add(match.event.text("event.id"))
    odd = {row["event.id"] for batch in batches for row in batch.frame().to_dicts()
           if any(isinstance(text, str) and len(text) > LONGEST for text in row.values())}
    live = [rule for rule in public.rules if not unfilled(rule)]
    others = [rule for rule in live if rule.id not in want and rule.logsource.product == "windows"]
    pushed, left = Pusher().split([*(rule for rule in live if rule.id in want), *rnd.sample(others, OTHERS)])
    assert len(left) <= len(pushed) // 10
    realm = f"push.real.{os.getpid()}"
    with open_store(ElasticSettings(urls=[elastic_url], replicas="0", patience=60), realm) as opened:
        for batch in batches:
            opened.write(batch)
        got = asked(opened, pushed)
    drop(elastic_url, realm)
    looking = {rule.id for rule in live if any(leaf.test.kind == "regex" for leaf in leaves(rule.tree))}
    for rule, ids in got.items():  # a stated difference: DIFFERENCES["long patterns"]
        passed = odd if rule in looking else set()
        assert ids - passed == want.get(rule, set()) - passed, f"{rule}, seed {TODAY}"
    assert any(got.values())


def test_nearly_every_public_rule_can_be_pushed_down(public: RuleSet) -> None:
    rules = [rule for rule in random.Random(TODAY).sample(public.rules, 400) if not unfilled(rule)]
    pushed, left = Pusher(Mapper()).split(rules)
    assert {reason for _, reason in left} <= set(INCONVERTIBLE.values())
    assert len(pushed) > 0.97 * len(rules)
