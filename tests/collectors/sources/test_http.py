"""HTTP ingest: acknowledged only when durable, refused in one sentence, shed before it is too much."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request

from collectors.sources import _desk
from collectors.sources.http import HttpSource
from soc_core import registry
from tests.collectors.sources.doors import TOKEN, Door, detect
from tests.soc_core.journal.suite import lines_of


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path / "j")
    yield made
    made.close()


def test_lines_are_accepted_once_they_are_durable(door: Door) -> None:
    answer = door.post(b"one\ntwo\r\n\nthree")
    assert (answer.status_code, answer.json()) == (200, {"accepted": 3})
    assert lines_of(door.journal, "http:default") == [b"one", b"two", b"three"]
    (raws,) = door.taken
    assert raws.positions is None
    assert (raws.origin.format, raws.origin.zone, raws.origin.peer) == ("text", "dmz", "127.0.0.1")
    assert door.source.counters()["received"] == 3


def test_no_answer_before_the_journal_has_it(door: Door) -> None:
    door.held.set()
    answers: list[int] = []
    sender = threading.Thread(target=lambda: answers.append(door.post(b"x\n").status_code))
    sender.start()
    sender.join(0.4)
    assert answers == []
    assert door.journal.end(0) == 0
    door.held.clear()
    sender.join(10)
    assert answers == [200]
    assert door.journal.end(0) == 1


def test_json_and_gzip(door: Door) -> None:
    records = [{"n": n, "text": "城市"} for n in range(5)]
    ndjson = "\n".join(map(json.dumps, records)).encode()
    for body in (ndjson, json.dumps(records).encode(), json.dumps(records, indent=2).encode()):
        for sent, headers in ((body, {}), (gzip.compress(body), {"Content_Encoding": "gzip"})):
            assert door.post(sent, **headers).json() == {"accepted": 5}
    assert [json.loads(line) for line in lines_of(door.journal, "http:default")] == records * 6
    assert {raws.origin.format for raws in door.taken} == {"json"}


def test_names_and_tokens_make_the_source(door: Door) -> None:
    known = registry.names("collectors.formats")[0]
    door.post(b"x", f"?source=gateway.01&format={known}")
    door.post(b"x", token="another")
    origins = [raws.origin for raws in door.taken]
    assert [(origin.source, origin.format) for origin in origins] == [
        ("http:default/gateway.01", known), ("http:other", "text"),
    ]


def test_a_request_sent_again_has_the_same_ids(door: Door) -> None:
    for _ in range(2):
        assert door.post(b"one\ntwo\n", "?source=gw", Idempotency_Key="batch-7").json() == {"accepted": 2}
    assert [(raws.origin.source, raws.origin.series, raws.positions.tolist()) for raws in door.taken] == [  # type: ignore[union-attr]
        ("http:default/gw", "batch-7", [0, 1])
    ] * 2


@pytest.mark.parametrize(
    ("body", "query", "headers", "status", "sentence"),
    [
        (b"", "", {}, 400, "no records"),
        (b"\n\r\n", "", {}, 400, "no records"),
        (b"x", "?format=nonsense", {}, 400, "no format named 'nonsense'"),
        (b"x", "?source=a%20b", {}, 400, "source may hold"),
        (b"x", "", {"Idempotency_Key": "x" * 201}, 400, "Idempotency-Key"),
        (b"x", "", {"Content_Encoding": "br"}, 400, "'br' is not understood"),
        (b"no gzip", "", {"Content_Encoding": "gzip"}, 400, "damaged"),
        (gzip.compress(b"x" * 9999, mtime=0)[:-12], "", {"Content_Encoding": "gzip"}, 400, "ends early"),
        (gzip.compress(bytes(65 << 20)), "", {"Content_Encoding": "gzip"}, 413, "expand"),
        (b"x", "", {"Authorization": "Bearer wrong"}, 401, "token"),
        (b"x", "", {"Authorization": f"Basic {TOKEN}"}, 401, "token"),
        (b"x", "", {"Authorization": ""}, 401, "token"),
        (b"x", "", {"Authorization": "Bearer \xff"}, 401, "token"),
    ],
)
def test_what_cannot_be_taken_is_one_sentence(
    door: Door, body: bytes, query: str, headers: dict[str, str], status: int, sentence: str
) -> None:
    headers = {name: text.encode("latin-1") for name, text in headers.items()}  # type: ignore[misc]
    answer = door.post(body, query, **headers)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert sentence in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert door.journal.end(0) == 0


def test_too_large_is_said_before_it_is_read(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.source.port)) as peer:
        peer.sendall(
            b"POST /ingest HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + TOKEN.encode()
            + b"\r\nContent-Length: 99999999\r\n\r\nfirst bytes"
        )
        assert b"413" in peer.recv(4096).split(b"\r\n")[0]


def test_a_body_without_length_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_desk, "BODY", 100_000)

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 9_999 + b"\n"

    answer = httpx.post(door.url, content=pieces(), headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 413
    assert door.source.counters()["waiting_bytes"] == 0


def test_more_than_can_be_written_is_shed(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_desk, "QUEUE", 10_000)
    door.held.set()
    statuses: list[int] = []

    def send() -> None:
        statuses.append(door.post(b"y" * 3000).status_code)

    senders = [threading.Thread(target=send) for _ in range(3)]
    for sender in senders:
        sender.start()
    until = time.monotonic() + 5
    while door.source.counters()["waiting_bytes"] < 9000 and time.monotonic() < until:
        time.sleep(0.01)
    answer = door.post(b"y" * 3000)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert "again later" in answer.json()["error"]
    assert door.source.counters()["shed"] == 1
    door.held.clear()
    for sender in senders:
        sender.join()
    assert statuses == [200, 200, 200]
    assert door.post(b"y" * 3000).status_code == 200
    assert door.source.counters()["waiting_bytes"] == 0


def test_one_who_sends_much_leaves_room_and_the_least_valued_are_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_desk, "QUEUE", 100_000)
    door = Door(tmp_path / "j", value={"192.0.2.1": 0, "192.0.2.2": 0, "192.0.2.3": 3}.__getitem__)
    desk = door.source._desk

    def granted(peer: str, most: int) -> int:
        """How many of at most so many requests of 1,000 bytes it has room for."""
        request = Request({"type": "http", "headers": [(b"content-length", b"1000")], "client": (peer, 1)})
        for count in range(most):
            try:
                desk._reserve(request, peer)
            except _desk.Trouble:
                return count
        return most

    try:
        noisy = granted("192.0.2.1", 200)
        assert 75 <= noisy <= 80  # of 100
        valued = granted("192.0.2.3", 200)
        assert valued >= 15  # although the other was there first
        assert granted("192.0.2.1", 1) == 0
        assert granted("192.0.2.2", 1) == 1  # a quiet one of no value
        assert door.source.counters()["shed"] == 3
        for peer, count in (("192.0.2.1", noisy), ("192.0.2.2", 1), ("192.0.2.3", valued)):
            desk._hold(peer, -1000 * count)
        assert (desk.size, desk._held) == (0, {})
    finally:
        door.close()


def test_a_journal_that_stands_still_is_told(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_desk, "PATIENCE", 0.2)
    door.held.set()
    answer = door.post(b"x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_long_line_is_accepted_as_damaged(door: Door) -> None:
    assert door.post(b"z" * ((1 << 20) + 1) + b"\nshort\n").json() == {"accepted": 2}
    assert door.taken[0].damaged == {0: "line over 1 MiB"}


def test_other_paths_and_methods(door: Door) -> None:
    assert httpx.get(door.url).status_code == 405
    answer = httpx.post(door.url.replace("/ingest", "/other/path"))
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_stop_answers_who_is_waiting(door: Door) -> None:
    door.held.set()
    statuses: list[int] = []
    sender = threading.Thread(target=lambda: statuses.append(door.post(b"x").status_code))
    sender.start()
    time.sleep(0.2)
    door.source.stop()
    door.held.clear()
    sender.join(10)
    assert statuses == [200]
    until = time.monotonic() + 10
    while not door.source.drained() and time.monotonic() < until:
        time.sleep(0.02)
    assert door.source.drained()


def test_no_token_no_door() -> None:
    with pytest.raises(ValueError, match="token"):
        HttpSource({}, detect)
    with pytest.raises(ValueError, match="token"):
        HttpSource({"x": ""}, detect)


def test_a_busy_port_is_one_sentence(door: Door) -> None:
    with pytest.raises(OSError, match="HTTP ingest cannot listen on"):
        HttpSource({"x": "y"}, detect, port=door.source.port)


def test_small_requests_of_one_sender_are_looked_at_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(door.source._habits, "_detect", lambda lines: looks.append(len(lines)) or "syslog")
    for number in range(5):
        assert door.post(b"line %d\n" % number).status_code == 200
    assert looks == [1]
    assert {raws.origin.format for raws in door.taken} == {"syslog"}
