from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from playbooks.actions import notify_webhook
from soc_core.config import Settings


class Receiver:
    """A real HTTP server that answers with the statuses given, the last one for ever, and notes what it got."""

    def __init__(self, *statuses: int, location: str = "") -> None:
        self.statuses, self.location = list(statuses), location
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.url = ""

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.got.append((path, headers, orjson.loads(body)))
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def serving(receiver: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(receiver.answer(self.path, dict(self.headers.items()), body))
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_webhook, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(notify_webhook, "TIMEOUT", 2.0)


def ctx(*webhooks: str, realm: str = "real") -> dict[str, Any]:
    return {"key": "run:0", "playbook": "p", "alert": {"id": "a", "title": "标题", "realm": realm},
            "settings": Settings(data=Path("/nowhere"), webhooks=list(webhooks))}


def test_what_is_sent() -> None:
    with serving(Receiver(204)) as receiver:
        result = notify_webhook.run(ctx(receiver.url), {"url": receiver.url + "/hook", "message": "高危"})
        notify_webhook.run(ctx(receiver.url), {"url": receiver.url + "/hook", "body": {"only": 1}})
    assert (result.ok, result.output) == (True, {"status": 204, "attempts": 1})
    (path, headers, body), second = receiver.got
    assert (path, headers["Idempotency-Key"]) == ("/hook", "run:0")
    assert body == {"message": "高危", "alert": {"id": "a", "title": "标题", "realm": "real"}}
    assert second[2] == {"only": 1}


def test_what_is_personal_does_not_leave_the_platform() -> None:
    with serving(Receiver(204)) as receiver:
        told = ctx(receiver.url)
        told["alert"] |= {"title": "登录 13812345678", "entities": {"user.full_name": ["欧阳若兰"]}, "group": {}}
        notify_webhook.run(told, {"url": receiver.url, "message": "call 13812345678"})
        notify_webhook.run(told, {"url": receiver.url, "body": {"text": ["tel 13812345678"]}})
    sent = repr(receiver.got)
    assert "13812345678" not in sent
    assert "欧阳若兰" not in sent
    assert "138****5678" in sent


@pytest.mark.parametrize(("statuses", "ok", "tries"), [
    ((503, 200), True, 2), ((429, 502, 200), True, 3), ((500,), False, 3), ((404,), False, 1), ((401, 200), False, 1)])
def test_retries_what_may_pass_under_the_same_key(statuses: tuple[int, ...], ok: bool, tries: int) -> None:
    with serving(Receiver(*statuses)) as receiver:
        result = notify_webhook.run(ctx(receiver.url), {"url": receiver.url})
    assert (result.ok, len(receiver.got)) == (ok, tries)
    assert {headers["Idempotency-Key"] for _, headers, _ in receiver.got} == {"run:0"}


def test_no_redirect_is_followed() -> None:
    with serving(Receiver(200)) as other, serving(Receiver(302, location=other.url)) as receiver:
        result = notify_webhook.run(ctx(receiver.url), {"url": receiver.url})
    assert not result.ok
    assert other.got == []


def test_nobody_listens() -> None:
    with serving(Receiver(200)) as receiver:
        url = receiver.url
    result = notify_webhook.run(ctx(url), {"url": url})
    assert not result.ok
    assert "ConnectError" in result.summary


@pytest.mark.parametrize(("allowed", "url", "fine"), [
    ("https://hooks.example.org/a", "https://hooks.example.org/a", True),
    ("https://hooks.example.org/a", "https://hooks.example.org:443/a/b?c=d", True),
    ("https://hooks.example.org", "https://hooks.example.org/any", True),
    ("https://hooks.example.org/a", "https://hooks.example.org/ab", False),
    ("https://hooks.example.org/a", "http://hooks.example.org/a", False),
    ("https://hooks.example.org/a", "https://hooks.example.org:444/a", False),
    ("https://hooks.example.org", "https://hooks.example.org.evil.example/", False),
    ("https://hooks.example.org", "https://hooks.example.org@evil.example/", False),
    ("https://hooks.example.org/a", "https://hooks.example.org/a/../b", False),
    ("https://hooks.example.org/a", "https://hooks.example.org/a/%2E%2e/b", False),
    ("file:///etc", "file:///etc/passwd", False),
    ("https://hooks.example.org", "https://hooks.example.org:port/", False),
])
def test_only_addresses_that_are_allowed(allowed: str, url: str, fine: bool) -> None:
    if fine:
        assert "hooks.example.org" in notify_webhook.plan(ctx(allowed), {"url": url}).summary
        return
    for call in (notify_webhook.plan, notify_webhook.run):
        with pytest.raises(ValueError, match="not among the addresses"):
            call(ctx(allowed), {"url": url})


def test_nothing_invented_leaves_the_house() -> None:
    with pytest.raises(ValueError, match="realm drill-7 are not sent"):
        notify_webhook.plan(ctx("https://hooks.example.org", realm="drill-7"), {"url": "https://hooks.example.org"})


def test_only_the_receiver_knows() -> None:
    assert notify_webhook.probe(ctx(), {"args": {}}) == "unknown"
    assert not notify_webhook.undo(ctx(), {}).ok
