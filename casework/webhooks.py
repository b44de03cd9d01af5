"""Webhooks: who wants to be told of what, at which address. 订阅

A subscription belongs to a place in the tree: it is told what an account there could read, personal data hidden. The
addresses must lie below one of `webhooks:` in soc.yaml. Delivery is soc_core/outbox's: at least once, signed, retried
(casework/telling.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from casework.rights import service
from casework.services import NotFound, Services, now
from soc_core import audit
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import LEVELS, Level
from soc_core.state import outbox
from soc_core.state.access_tables import WebhookRow
from soc_core.urls import below

Topic = Literal["alert.raised", "alert.updated"]
TOPICS: tuple[Topic, ...] = ("alert.raised", "alert.updated")


@dataclass(frozen=True)
class Webhook:
    """A subscription without its secret. `waiting`: what is not told yet, given up included."""

    id: str
    url: str
    topics: list[str]
    level: Level
    organisation: str
    creator: str
    created: Micros
    disabled: bool
    waiting: int


@service
def listing(actor: Actor, services: Services) -> list[Webhook]:
    """Subscriptions of places in the actor's scope."""
    with services.database.read() as session:
        rows = session.scalars(select(WebhookRow).order_by(WebhookRow.created, WebhookRow.id))
        return [made(session, row) for row in rows if actor.scope.allows(row.organisation)]


@service
def subscribe(actor: Actor, services: Services, url: str, topics: Iterable[str] = TOPICS, level: Level = "high",
              organisation: str = "") -> tuple[Webhook, str]:
    """A subscription, and the secret that signs what it is told, shown this once. Raises ValueError, NotFound."""
    organisation = organisation or actor.organisation
    wanted = sorted(set(topics))
    if not wanted or not set(wanted) <= set(TOPICS):
        raise ValueError(f"topics are: {', '.join(TOPICS)}")
    if level not in LEVELS:
        raise ValueError(f"no level {level!r}; there are {', '.join(LEVELS)}")
    if not any(below(url, allowed) for allowed in services.settings.webhooks):
        raise ValueError("that address is not among those under `webhooks:` in soc.yaml")
    if not actor.scope.allows(organisation):
        raise NotFound("no such organisation")
    secret = secrets.token_urlsafe(32)
    with services.database.begin() as session:
        row = WebhookRow(id=secrets.token_hex(8), url=url, topics=wanted, level=level, organisation=organisation,
                         secret=services.box.seal(secret), creator=actor.name, created=now(), disabled=False)
        session.add(row)
        session.flush()
        outbox.skip(session, consumer(row.id), wanted)  # it is told what comes from now on
        audit.append(session, actor, "webhook.subscribe", f"webhook:{row.id}", {
            "url": url, "topics": wanted, "level": level, "organisation": organisation})
        return made(session, row), secret


@service
def end(actor: Actor, services: Services, webhook: str) -> None:
    """It is told nothing more. Raises NotFound."""
    with services.database.begin() as session:
        row = session.get(WebhookRow, webhook)
        if row is None or not actor.scope.allows(row.organisation):
            raise NotFound(f"no webhook {webhook!r}")
        session.delete(row)
        outbox.forget(session, consumer(webhook))
        audit.append(session, actor, "webhook.end", f"webhook:{webhook}", {"url": row.url})


def consumer(webhook: str) -> str:
    return f"webhook:{webhook}"


def made(session: Session, row: WebhookRow) -> Webhook:
    return Webhook(row.id, row.url, row.topics, LEVELS[LEVELS.index(row.level)],
                   row.organisation, row.creator, row.created, row.disabled,
                   outbox.waiting(session, consumer(row.id), row.topics))
