"""Endpoints of threat indicators."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from casework import threats
from soc_api.answers import reply
from soc_api.routes import Body, Here, Limit, Text, Who
from soc_core.models import Level

router = APIRouter()


class Feed(Body):
    """A document of indicators; the whole request has at most a megabyte, larger feeds come by command."""

    feed: str = Field(max_length=100)
    form: Literal["stix", "csv"]
    body: str
    level: Level = "high"


class Revocation(Body):
    ids: list[str] = Field(min_length=1, max_length=500)
    note: str = Field(default="", max_length=2_000)


@router.get("/indicators")
def indicator_list(actor: Who, services: Here, kind: Literal["", "ip", "net", "domain", "url", "hash"] = "",
                   feed: Text = "", text: Text = "", after: Text = "", limit: Limit = 50) -> Response:
    """Indicators, the latest changed first."""
    return reply(threats.listing(actor, services, kind, feed, text, after, limit))


@router.post("/indicators")
def indicator_take(actor: Who, services: Here, given: Feed) -> Response:
    """Take a feed in (STIX 2.1 or CSV); what was refused is said with its reason."""
    return reply(threats.take(actor, services, given.body, given.form, given.feed, given.level))


@router.post("/indicators/revoke")
def indicator_revoke(actor: Who, services: Here, given: Revocation) -> Response:
    """They match nothing from now on."""
    return reply({"revoked": threats.revoke(actor, services, given.ids, given.note)})


@router.get("/indicators/{indicator}/sightings")
def indicator_sightings(actor: Who, services: Here, indicator: str,
                        limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
    """Alerts that it raised."""
    return reply({"alerts": threats.sightings(actor, services, indicator, limit)})
