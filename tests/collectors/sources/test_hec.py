"""Splunk's door: requests as its senders write them, byte by byte."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.parse import detect, parse
from collectors.sources import _desk, _wrapped
from collectors.sources._wrapped import Habits
from collectors.sources.hec import Refused, envelopes, wrapped
from soc_core.protocols import Frame
from tests.collectors.sources.doors import TOKEN, Door, records

SSHD = "<38>Nov 23 09:00:00 web1 sshd[811]: Failed password for root from 192.0.2.7 port 4711 ssh2"
EVENT = "/services/collector/event"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path / "j", detect)
    yield made
    made.close()


def post(door: Door, body: bytes, path: str = EVENT, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.post(door.base + path, content=body, headers={"Authorization": f"Splunk {TOKEN}"} | given, timeout=20)


def test_events_in_a_row_go_on_by_what_they_are(door: Door) -> None:
    events = [
        {"time": 1763862000.25, "host": "web1", "sourcetype": "linux_secure", "event": SSHD},
        {"time": "1763862001", "host": "app1", "source": "/var/log/app.log", "sourcetype": "app",
         "event": "order 7 was paid\nby card", "fields": {"labels.shop": "east"}},
        {"host": "app1", "sourcetype": "_json", "event": {"user": {"name": "张三"}, "n": 1.50}},
    ]
    answer = post(door, b"".join(json.dumps(event).encode() for event in events))
    assert (answer.status_code, answer.json()) == (200, {"text": "Success", "code": 0})
    found = records(door)
    assert found["http:default/web1", "syslog"] == [SSHD.encode()]
    assert [json.loads(line) for line in found["http:default/app1", "ecs"]] == [
        {"@timestamp": "2025-11-23T01:40:01.000000Z", "host.name": "app1", "log.file.path": "/var/log/app.log",
         "event.dataset": "app", "labels.shop": "east", "message": "order 7 was paid\nby card"},
        {"host.name": "app1", "event.dataset": "_json", "user": {"name": "张三"}, "n": 1.5},
    ]
    batch = parse([Frame(0, 0, raws) for raws in door.taken]).batch
    assert sorted(filter(None, batch.column("user.name").to_list())) == ["root", "张三"]
    assert "192.0.2.7" in batch.column("source.ip").to_list()


def test_an_object_that_a_format_knows_goes_on_verbatim(door: Door) -> None:
    eve = (b'{"timestamp":"2026-11-23T09:00:00.000000+0800",  "event_type":"dns","src_ip":"192.0.2.7","src_port":53,'
           b'"dest_ip":"10.0.0.1","dest_port":4711,"proto":"UDP","flow_id":12345678901234567,"dns":{"type":"query",'
           b'"rrname":"example.com","rrtype":"A"}}')
    assert post(door, b'[{"host":"ids", "event": ' + eve + b'}]').status_code == 200
    assert records(door) == {("http:default/ids", "suricata_eve"): [eve]}


def test_a_sender_is_looked_at_again_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bytes] = []
    now = [0.0]
    monkeypatch.setattr(_wrapped, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def look(sample: Sequence[bytes]) -> str:
        looked.append(sample[0])
        return sample[0].decode()

    habits = Habits(look)
    assert [habits.format("a", [text]) for text in (b"text", b"syslog")] == ["text", "text"]
    assert habits.format("b", [b"syslog"]) == "syslog"
    for at, text, found in ((11, b"syslog", "syslog"), (20, b"text", "syslog"), (22, b"syslog", "syslog"),
                            (40, b"text", "syslog"), (43, b"text", "text")):
        now[0] = at
        assert habits.format("a", [text]) == found
    assert looked == [b"text", b"syslog", b"syslog", b"syslog", b"text"]


def test_raw_lines(door: Door) -> None:
    answer = post(door, f"{SSHD}\r\n{SSHD}".encode(), "/services/collector/raw?host=web1&sourcetype=x&channel=c")
    assert answer.json() == {"text": "Success", "code": 0, "ackId": 0}
    assert records(door) == {("http:default/web1", "syslog"): [SSHD.encode()] * 2}


def test_acknowledgements_are_what_has_become_durable(door: Door) -> None:
    channel = {"X_Splunk_Request_Channel": "0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba"}
    assert [post(door, b'{"event":"x"}', **channel).json()["ackId"] for _ in range(2)] == [0, 1]
    asked = post(door, b'{"acks":[0,1,2]}', "/services/collector/ack?channel=x")
    assert asked.json() == {"acks": {"0": True, "1": True, "2": False}}
    assert "ackId" not in post(door, b'{"event":"x"}').json()


@pytest.mark.parametrize(("body", "code", "number"), [
    (b"", 5, None),
    (b"  ", 5, None),
    (b"no json", 6, 0),
    (b'{"event":"a"}{"event":', 6, 1),
    (b'{"event":"a"},{"event" "b"}', 6, 1),
    (b'{"event":"a" "x":1}', 6, 0),
    (b'"event"', 6, 0),
    (b'{"event":"a"}{"host":"x"}', 12, 1),
    (b'{"event":null}', 12, 0),
    (b'{"event":""}', 13, 0),
    (b'{"event":' + b"[" * 100_000, 6, 0),
])
def test_what_cannot_be_read_is_refused_whole(door: Door, body: bytes, code: int, number: int | None) -> None:
    answer = post(door, body)
    assert (answer.status_code, answer.json()["code"], answer.json().get("invalid-event-number")) == (400, code, number)
    assert door.journal.end(0) == 0


@pytest.mark.parametrize(("given", "status", "code"), [
    ("", 401, 2), ("Digest x", 401, 3), ("Splunk wrong", 403, 4),
])
def test_tokens(door: Door, given: str, status: int, code: int) -> None:
    answer = post(door, b'{"event":"x"}', Authorization=given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_basic_and_gzip(door: Door) -> None:
    answer = httpx.post(door.base + "/services/collector", content=gzip.compress(b'{"event":"x"}'),
                        headers={"Content-Encoding": "gzip"}, auth=("x", TOKEN))
    assert answer.json()["code"] == 0


def test_busy_and_healthy(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    assert httpx.get(door.base + "/services/collector/health").json()["code"] == 17
    monkeypatch.setattr(_desk, "QUEUE", 10)
    assert (post(door, b'{"event":"xyz"}').status_code, post(door, b'{"event":"xyz"}').json()["code"]) == (503, 9)


def test_no_answer_before_it_is_durable(door: Door) -> None:
    door.held.set()
    answers: list[int] = []
    sender = threading.Thread(target=lambda: answers.append(post(door, b'{"event":"x"}', channel="c").status_code))
    sender.start()
    sender.join(0.3)
    assert (answers, door.journal.end(0)) == ([], 0)
    door.held.clear()
    sender.join(10)
    assert (answers, door.journal.end(0)) == ([200], 1)


def test_bytes_that_are_no_text_stay(door: Door) -> None:
    (one,) = wrapped(b'{"event":{"a":"\xff\xfe"}}', {})
    assert one.text == b'{"a":"\xff\xfe"}'
    assert post(door, b'{"event":{"a":"\xff"}}{"event":"\\ud800"}{"event":{"n":' + b"9" * 40 + b"}}").status_code == 200
    assert sum(map(len, records(door).values())) == 3


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["event", "host", "time", "x"]), JSON), max_size=4),
       st.sampled_from(["", "\n", " , "]), st.sampled_from([None, 1]))
def test_envelopes_are_read_as_json_is(objects: list[dict[str, object]], between: str, indent: int | None) -> None:
    body = between.join(json.dumps(one, indent=indent) for one in objects).encode()
    found = list(envelopes(body))
    assert [one.keys for one in found] == objects
    assert [json.loads(one.event) for one in found if one.event] == [one["event"] for one in objects if "event" in one]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,evnt1 \\u', max_size=40).map(str.encode))
def test_garbage_is_read_or_refused(body: bytes) -> None:
    code = 0
    try:
        wrapped(body, {})
    except Refused as refused:
        code = refused.code
    assert code in (0, 5, 6, 12, 13)
