"""Webhooks: told what is theirs, signed, masked, again when nobody answered."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from casework import telling, webhooks
from casework.services import NotFound, Services, open_services
from soc_core import clock
from soc_core.access import EVERYTHING, Actor, Role, Scope
from soc_core.state import outbox
from tests.soc_ui.prepared import EDU, another, prepare

LEAD = Actor("lead", frozenset({Role.SHIFT_LEAD}), EVERYTHING)
EDU_ADMIN = Actor("edu-admin", frozenset({Role.AGENCY_ADMIN}), Scope(frozenset({EDU})), EDU)


class Receiver(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer = 204


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def own(tmp_path: Path, receiver: Receiver) -> Iterator[Services]:
    made = prepare(tmp_path, Path(__file__).resolve().parents[2] / "cities" / "changsha", fill=0)
    allowed = [f"http://127.0.0.1:{receiver.server_port}/soc"]
    opened = open_services(made.settings)
    yield replace(opened, settings=made.settings.model_copy(update={"webhooks": allowed}))
    opened.close()


def raised(services: Services, title: str, organisation: str = EDU, level: str = "high") -> str:
    """An alert, and what triage writes to the outbox of it."""
    alert = another(services.settings, title, organisation, level)
    with services.database.begin() as session:
        outbox.put(session, "alert.raised", alert, {"id": alert, "level": level})
    return alert


def test_told_signed_and_masked(own: Services, receiver: Receiver) -> None:
    raised(own, "before anybody asked")
    url = f"http://127.0.0.1:{receiver.server_port}/soc/hook"
    made, secret = webhooks.subscribe(EDU_ADMIN, own, url)
    assert made.organisation == EDU
    mine = raised(own, "call 13812345678")
    raised(own, "of another", "cs-police")
    raised(own, "too low", level="low")
    assert telling.run_once(own) == 1
    ((headers, body),) = receiver.got
    told = json.loads(body)
    assert (told["topic"], told["alert"]["id"]) == ("alert.raised", mine)
    assert "13812345678" not in body.decode()
    moment, signature = (part.partition("=")[2] for part in headers["x-soc-signature"].split(","))
    assert abs(int(moment) - clock.now() // clock.SECOND) < 60
    assert signature == hmac.new(secret.encode(), moment.encode() + b"." + body, "sha256").hexdigest()
    assert telling.run_once(own) == 0
    assert webhooks.listing(EDU_ADMIN, own)[0].waiting == 0
    with own.database.read() as session:
        assert secret not in repr([row.__dict__ for row in session.query(webhooks.WebhookRow)])


def test_again_when_it_was_not_taken_and_the_key_is_the_same(
        own: Services, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    webhooks.subscribe(LEAD, own, f"http://127.0.0.1:{receiver.server_port}/soc")
    receiver.answer = 503
    raised(own, "one")
    assert telling.run_once(own) == 0
    assert telling.run_once(own) == 0  # not before its time
    assert len(receiver.got) == 1
    assert webhooks.listing(LEAD, own)[0].waiting == 1
    receiver.answer, later = 200, clock.now() + clock.MINUTE
    monkeypatch.setattr(outbox, "now", lambda: later)
    assert telling.run_once(own) == 1
    assert receiver.got[0][0]["idempotency-key"] == receiver.got[1][0]["idempotency-key"]
    assert receiver.got[0][1] == receiver.got[1][1]


def test_refused_and_ended(own: Services, receiver: Receiver) -> None:
    below = f"http://127.0.0.1:{receiver.server_port}/soc"
    for url in ("http://192.0.2.1/", below + "/../x", "file:///etc/passwd", below.replace("/soc", "/other")):
        with pytest.raises(ValueError, match="not among those"):
            webhooks.subscribe(LEAD, own, url)
    with pytest.raises(NotFound):
        webhooks.subscribe(EDU_ADMIN, own, below, organisation="cs-police")
    with pytest.raises(ValueError, match="topics"):
        webhooks.subscribe(LEAD, own, below, topics=["everything"])
    made, _ = webhooks.subscribe(LEAD, own, below)
    with pytest.raises(NotFound):
        webhooks.end(EDU_ADMIN, own, made.id)
    raised(own, "one")
    webhooks.end(LEAD, own, made.id)
    assert telling.run_once(own) == 0
    assert receiver.got == []
