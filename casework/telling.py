"""Tells subscribers what the outbox holds for them: signed, at least once, tried again for three hours. 推送

    POST body: {"topic", "key", "at", "alert"}
    X-Soc-Signature: t=SECONDS,v1=HEX   HMAC-SHA-256 of "SECONDS.BODY" with the subscription's secret
    Idempotency-Key: the same in every attempt

A receiver checks the signature over the bytes as they came, and refuses a time that is minutes off.
"""

from __future__ import annotations

import hmac

import httpx
import orjson
from sqlalchemy import select

from casework import masking, webhooks
from casework.services import Services
from soc_core import clock
from soc_core.models import LEVELS, REAL, OutboxItem
from soc_core.state import alerts as alert_state
from soc_core.state import outbox
from soc_core.state.access_tables import WebhookRow

TIMEOUT, BATCH = 10.0, 50


def run_once(services: Services) -> int:
    """Tell every subscriber what is due; how many were told. What fails comes again later."""
    with services.database.read() as session:
        rows = list(session.scalars(select(WebhookRow).where(WebhookRow.disabled.is_(False))))
    told = 0
    for row in rows:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as line:
            told += serve(services, row, line)
    return told


def serve(services: Services, row: WebhookRow, client: httpx.Client) -> int:
    """One subscriber's due items."""
    consumer = webhooks.consumer(row.id)
    with services.database.begin() as session:
        items = outbox.claim(session, consumer, row.topics, BATCH)
    told = 0
    for item in items:
        error = ""
        body = message(services, row, item)
        if body is not None:
            error = send(client, row.url, body, services.box.open(row.secret), f"{row.id}:{item.id}")
        with services.database.begin() as session:
            if error:
                outbox.failed(session, consumer, item.id, error)
            else:
                outbox.done(session, consumer, item.id)
        told += body is not None and not error
    return told


def message(services: Services, row: WebhookRow, item: OutboxItem) -> bytes | None:
    """What is told of an item; None when it is not for this subscriber: of another place, below its level, a demo."""
    with services.database.read() as session:
        found = alert_state.get(session, str(item.body.get("id", "")), services.scope_of(row.organisation))
    if found is None or found.realm != REAL or LEVELS.index(found.level) < LEVELS.index(row.level):
        return None
    told = {"topic": item.topic, "key": item.key, "at": clock.to_text(item.created),
            "alert": masking.alert(found).model_dump()}
    return orjson.dumps(told)


def send(client: httpx.Client, url: str, body: bytes, secret: str, key: str) -> str:
    """Why it was not taken, "" when it was."""
    moment = str(clock.now() // clock.SECOND)
    headers = {"content-type": "application/json", "user-agent": "CitySOC", "idempotency-key": key,
               "x-soc-signature": f"t={moment},v1={signature(secret, moment, body)}"}
    try:
        status = client.post(url, content=body, headers=headers).status_code
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return "" if 200 <= status < 300 else f"answered {status}"


def signature(secret: str, moment: str, body: bytes) -> str:
    return hmac.new(secret.encode(), moment.encode() + b"." + body, "sha256").hexdigest()
