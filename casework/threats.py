"""Threat indicators as people work on them: feeds in, the list, what they were seen on, revoking. 威胁情报

Every indicator is the whole centre's; what it was seen on is alerts, each in its agency's scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from casework import feeds
from casework.feeds import Refusal
from casework.rights import service
from casework.services import Listing, NotFound, Services, now
from soc_core import audit
from soc_core.access import Actor
from soc_core.models import LEVELS, Indicator, Level
from soc_core.state import alerts as alert_state
from soc_core.state import indicators as state


@dataclass(frozen=True)
class Taken:
    """What became of a feed's indicators."""

    new: int
    changed: int
    known: int
    refused: list[Refusal]


@service
def take(actor: Actor, services: Services, body: str, form: Literal["stix", "csv"], feed: str,
         level: Level = "high") -> Taken:
    """A feed's document in. What is new or says something new is matched back over stored events soon after.

    Raises ValueError on a document that cannot be read at all.
    """
    feed = feed.strip()
    if not feed or not feed.isprintable() or len(feed) > 100:
        raise ValueError("a feed has a name of at most 100 printable characters")
    if level not in LEVELS:
        raise ValueError(f"no level {level!r}; there are {', '.join(LEVELS)}")
    at = now()
    found = feeds.read_stix(body, feed, at, level) if form == "stix" else feeds.read_csv(body, feed, at, level)
    with services.database.begin() as session:
        saved = state.save(session, found.items, at)
        audit.append(session, actor, "indicators.take", f"feed:{feed}",
                     {**saved._asdict(), "refused": len(found.refused)})
    return Taken(saved.new, saved.changed, saved.known, found.refused)


@service
def listing(actor: Actor, services: Services, kind: str = "", feed: str = "", text: str = "", after: str = "",
            limit: int = 50) -> Listing[Indicator]:
    """A page of the indicators, the latest changed first. Raises ValueError on a key that is not of this list."""
    limit = max(1, min(limit, 500))
    if after and not after.isdecimal():
        raise ValueError(f"not the key of a page of this list: {after!r}")
    with services.database.read() as session:
        rows, total = state.listing(session, kind, feed, text, limit + 1, int(after or 0))
    following = str(int(after or 0) + limit) if len(rows) > limit else ""
    return Listing(rows[:limit], total, True, following, 0, now())


@service
def sightings(actor: Actor, services: Services, indicator: str, limit: int = 50) -> list[str]:
    """Ids of alerts in the actor's scope that an indicator raised, the latest first."""
    with services.database.read() as session:
        wanted = alert_state.Filter(rule=f"indicator:{indicator}")
        return [alert.id for alert in alert_state.find(session, actor.scope, wanted, limit=limit)[0]]


@service
def revoke(actor: Actor, services: Services, ids: Sequence[str], note: str) -> int:
    """They match nothing from now on; how many did. Raises NotFound when none of them did."""
    with services.database.begin() as session:
        done = state.revoke(session, ids, now())
        if not done:
            raise NotFound("none of these indicators stands")
        for each in ids:
            audit.append(session, actor, "indicator.revoke", f"indicator:{each}", {"note": note})
    return done
