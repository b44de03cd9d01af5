"""The endpoints. Each asks one service of casework with the caller as its first argument, and does nothing else."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from casework import agency, alerts, drills, events, overview, pipeline, quarantine, rules, sources
from casework.services import Conflict, NotFound, Services
from soc_api.answers import reply
from soc_api.auth import COOKIE, Denied, Entry, Logins, same_origin
from soc_core import clock
from soc_core.access import Actor, Refused
from soc_core.models import REAL, Level
from soc_core.protocols import Page
from soc_core.protocols import Query as EventQuery
from soc_core.state.alerts import Filter

router = APIRouter()
Text = Annotated[str, Query(max_length=2_000)]
Limit = Annotated[int, Query(ge=1, le=1_000)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Login(Body):
    name: str = Field(max_length=200)
    password: str = Field(max_length=1_000)
    code: str = Field(default="", max_length=20)  # of the second factor, where the account has one


class NewPassword(Body):
    current: str = Field(max_length=1_000)
    fresh: str = Field(max_length=1_000)
    code: str = Field(default="", max_length=20)


class Target(Body):
    """An alert and the version of it that the caller saw."""

    id: str = Field(max_length=200)
    version: int


class Remark(Body):
    note: str = Field(min_length=1, max_length=10_000)


class Change(Body):
    """One change to at most 500 alerts."""

    alerts: list[Target] = Field(min_length=1, max_length=500)
    value: str = Field(max_length=200)
    note: str = Field(default="", max_length=2_000)


class Before(Body):
    """How an alert was, and the version that the caller last saw."""

    version: int
    status: Literal["new", "open", "closed"]
    verdict: Literal["", "true", "benign", "false", "test"] = ""
    assignee: str = Field(default="", max_length=200)


# ---------------------------------------------------------------- who asks


def services_of(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def logins_of(request: Request) -> Logins:
    found: Logins = request.app.state.logins
    return found


def entry_of(request: Request) -> Entry:
    """Whoever is in, by bearer token or cookie. A change by cookie must carry the session's CSRF token."""
    logins = logins_of(request)
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        who = logins.bearer(secret.strip()) if scheme.lower() == "bearer" else None
    else:
        who = logins.entry(request.cookies.get(COOKIE, ""))
    if who is None:
        raise Denied("none", "sign in first: a bearer token, or POST /api/v1/login")
    if not scheme and request.method not in ("GET", "HEAD"):
        here = same_origin(request.headers.get("origin", ""), request.headers.get("host", ""))
        if not here or not logins.csrf_is_ours(who, request.headers.get("x-csrf-token", "")):
            raise Refused("a change by cookie must carry X-CSRF-Token of this session")
    return who


def actor_of(who: Annotated[Entry, Depends(entry_of)]) -> Actor:
    actor = entering_of(who)
    if who.must_prove:
        raise Refused("your role needs a second factor: POST /api/v1/account/factor, then confirm it by a code")
    return actor


def entering_of(who: Annotated[Entry, Depends(entry_of)]) -> Actor:
    """For the calls that set up a second factor: open to who is held at the door for want of one."""
    if who.must_change:
        raise Refused("set a password of your own first: POST /api/v1/password")
    return who.actor


def time_of(text: str) -> int | None:
    return clock.from_text(text) if text else None


Here = Annotated[Services, Depends(services_of)]
Who = Annotated[Actor, Depends(actor_of)]
Entering = Annotated[Actor, Depends(entering_of)]


# ---------------------------------------------------------------- coming in


@router.get("/health")
def health(services: Here) -> Response:
    """Whether the API and its state database answer. No data."""
    with services.database.read():
        return reply({"status": "ok"})


@router.post("/login")
def login(request: Request, given: Login) -> Response:
    """A session: as a cookie, and as a token for the Authorization header."""
    if not same_origin(request.headers.get("origin", ""), request.headers.get("host", "")):
        raise Refused("a login must come from a page of this host")
    logins = logins_of(request)
    made = logins.sign_in(given.name, given.password, request.client.host if request.client else "", given.code)
    return session(request, made.token, made.expires, made.must_change)


@router.post("/password")
def password(request: Request, given: NewPassword, who: Annotated[Entry, Depends(entry_of)]) -> Response:
    """Set one's own password. Other sessions end."""
    if not who.session:
        raise Refused("a machine's token has no password")
    peer = request.client.host if request.client else ""
    made = logins_of(request).change_password(who, given.current, given.fresh, peer, given.code)
    return session(request, made.token, made.expires, made.must_change)


def session(request: Request, token: str, expires: int, must_change: bool) -> Response:
    logins = logins_of(request)
    who = logins.entry(token)
    csrf = logins.csrf(who) if who else ""
    answer = reply({"token": token, "expires": expires, "must_change": must_change, "csrf": csrf,
                    "must_prove": bool(who and who.must_prove), "factor_due": who.factor_due if who else 0})
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/")
    return answer


@router.post("/logout")
def logout(request: Request, who: Annotated[Entry, Depends(entry_of)]) -> Response:
    """End every session of the account."""
    logins_of(request).sign_out(who)
    answer = reply({"signed_out": True})
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/me")
def me(request: Request, who: Annotated[Entry, Depends(entry_of)]) -> Response:
    """Who the caller is, what he may see, and the CSRF token of his session."""
    actor = who.actor
    return reply({
        "name": actor.name, "display": who.display, "roles": sorted(actor.roles), "organisation": actor.organisation,
        "whole_city": actor.scope.organisations is None, "must_change": who.must_change,
        "must_prove": who.must_prove, "factor_due": who.factor_due,
        "csrf": logins_of(request).csrf(who) if who.session else ""})


# ---------------------------------------------------------------- alerts


@router.get("/alerts")
def alert_list(
    actor: Who, services: Here, realm: Text = "", level: Level | Literal[""] = "", rule: Text = "",
    status: Literal["", "waiting", "new", "open", "closed"] = "", organisation: Text = "", system: Text = "",
    assignee: Text = "", incident: Text = "", since: Text = "", until: Text = "", text: Text = "", after: Text = "",
    limit: Limit = 50,
) -> Response:
    """The queue, riskiest first; `after` is the `next` of the page before. Times as 2026-11-23T01:00:00Z or 24h."""
    wanted = Filter(realm, level, rule, status, organisation, system, assignee, incident, time_of(since),
                    time_of(until), text)
    return reply(alerts.queue(actor, services, wanted, after, limit))


@router.get("/alerts/{alert}")
def alert_one(actor: Who, services: Here, alert: str, limit: Limit = 100) -> Response:
    """One alert down to its raw events, with its history and what its rule says of itself."""
    found = alerts.detail(actor, services, alert, limit)
    return reply({"detail": found, "rule": rules.shelf(services).get(found.row.alert.rule_id)})


def changed(actor: Actor, services: Services, op: alerts.Op, given: Change) -> Response:
    answers = alerts.change(actor, services, op, given.value, [(item.id, item.version) for item in given.alerts],
                            given.note)
    if len(answers) == 1 and isinstance(answers[0], Exception):
        raise answers[0]
    told: list[dict[str, Any]] = []
    for item, answer in zip(given.alerts, answers, strict=True):
        if isinstance(answer, Conflict):
            told.append({"id": item.id, "result": "conflict", "current": answer.current})
        elif isinstance(answer, NotFound):
            told.append({"id": item.id, "result": "not found"})
        else:
            told.append({"id": item.id, "result": "done", "alert": answer.alert})
    return reply({"results": told})


@router.post("/alerts/verdict")
def verdict(actor: Who, services: Here, given: Change) -> Response:
    """Judge and close: true, benign, false or test; "" takes a judgement back. 409 when somebody was first."""
    return changed(actor, services, "verdict", given)


@router.post("/alerts/status")
def status(actor: Who, services: Here, given: Change) -> Response:
    """Set new, open or closed."""
    return changed(actor, services, "status", given)


@router.post("/alerts/assign")
def assign(actor: Who, services: Here, given: Change) -> Response:
    """Give alerts to an account; "" takes them away."""
    return changed(actor, services, "assign", given)


@router.post("/alerts/{alert}/comment")
def remark(actor: Who, services: Here, alert: str, given: Remark) -> Response:
    """A remark in its history."""
    alerts.comment(actor, services, alert, given.note)
    return reply({"noted": True})


@router.post("/alerts/{alert}/restore")
def restore(actor: Who, services: Here, alert: str, given: Before) -> Response:
    """Take a change back, if nobody else changed it since; else 409."""
    before = alerts.get(actor, services, alert).alert.model_copy(update=given.model_dump(exclude={"version"}))
    made = alerts.restore(actor, services, before, given.version)
    if isinstance(made, Conflict):
        raise made
    return reply(made)


@router.get("/alerts/{alert}/neighbours")
def neighbours(actor: Who, services: Here, alert: str, realm: Text = "", level: Level | Literal[""] = "",
               status: Literal["", "waiting", "new", "open", "closed"] = "waiting") -> Response:
    """Ids of the alerts before and after it in the queue."""
    found = alerts.get(actor, services, alert).alert
    before, after = alerts.neighbours(actor, services, found, Filter(realm, level, status=status))
    return reply({"before": before, "after": after})


# ---------------------------------------------------------------- events


@router.get("/events")
def event_search(actor: Who, services: Here, q: Text = "", since: Text = "", until: Text = "", realm: Text = REAL,
                 after: Text = "", limit: Limit = 100, newest_first: bool = True) -> Response:
    """Events by a Lucene-style query; an unreadable one is 422 with the position of the fault."""
    asked = EventQuery(text=q, since=time_of(since), until=time_of(until))
    return reply(events.search(actor, services, asked, realm, Page(limit, after, newest_first)))


@router.get("/events/unowned")
def event_unowned(actor: Who, services: Here, realm: Text = REAL, after: Text = "", limit: Limit = 100) -> Response:
    """The inbox of unknown owners: events from addresses that no agency registered, and the sources they came by."""
    return reply(events.unowned(actor, services, realm, Page(limit, after)))


@router.get("/events/aggregate")
def event_aggregate(actor: Who, services: Here, field: Text, q: Text = "", since: Text = "", until: Text = "",
                    realm: Text = REAL, limit: Limit = 10) -> Response:
    """The most frequent values of a field."""
    asked = EventQuery(text=q, since=time_of(since), until=time_of(until))
    return reply({"buckets": events.aggregate(actor, services, asked, field, realm, limit)})


@router.get("/events/histogram")
def event_histogram(actor: Who, services: Here, q: Text = "", since: Text = "", until: Text = "", realm: Text = REAL,
                    buckets: Limit = 60) -> Response:
    """Events over time; a bucket's key is its start."""
    asked = EventQuery(text=q, since=time_of(since), until=time_of(until))
    return reply({"buckets": events.histogram(actor, services, asked, realm, buckets)})


@router.get("/events/{event}")
def event_one(actor: Who, services: Here, event: str, realm: Text = REAL) -> Response:
    """One event by id."""
    found = events.get(actor, services, event, realm)
    if found is None:
        raise NotFound(f"no event {event!r}")
    return reply(found)


# ---------------------------------------------------------------- status


@router.get("/overview")
def overview_numbers(actor: Who, services: Here) -> Response:
    """The numbers of the first page."""
    return reply(overview.overview(actor, services))


@router.get("/sources")
def source_list(actor: Who, services: Here, show: Literal["all", "silent"] = "all") -> Response:
    """Every source with the fates of its records."""
    return reply(sources.listing(actor, services, show))


@router.get("/agencies")
def agency_list(actor: Who, services: Here, search: Text = "", limit: Limit = 50) -> Response:
    """Organisations whose status the caller may see."""
    return reply({"rows": agency.choices(actor, services, search, limit)})


@router.get("/agencies/{organisation}")
def agency_one(actor: Who, services: Here, organisation: str) -> Response:
    """One agency's own status: watched or not, what happened, what to do now."""
    return reply(agency.status(actor, services, organisation))


@router.get("/pipeline")
def pipeline_stages(actor: Who, services: Here) -> Response:
    """Where every received record is."""
    return reply(pipeline.pipeline(actor, services))


@router.get("/quarantine")
def quarantine_groups(actor: Who, services: Here, limit: Limit = 200) -> Response:
    """Records that could not be read, by reason."""
    return reply(quarantine.groups(actor, services, limit))


@router.get("/quarantine/samples")
def quarantine_samples(actor: Who, services: Here, reason: Text, source: Text, limit: Limit = 20) -> Response:
    """The latest records of one reason and source, verbatim."""
    return reply({"rows": quarantine.samples(actor, services, reason, source, limit)})


class Replay(Body):
    """Which records go through the pipeline again: those of one reason and source, as `format` where one is named."""

    reason: str = Field(max_length=2_000)
    source: str = Field(max_length=2_000)
    format: str = Field(default="", max_length=100)


@router.post("/quarantine/replay")
def quarantine_replay(actor: Who, services: Here, body: Replay) -> Response:
    """Send quarantined records through the pipeline again, after a fix."""
    return reply(quarantine.replay(actor, services, body.reason, body.source, body.format))


@router.get("/drills")
def drill_list(actor: Who, services: Here, limit: Limit = 20) -> Response:
    """Results of drills, newest first."""
    return reply(drills.listing(actor, services, limit))


@router.get("/drills/{drill}")
def drill_one(actor: Who, services: Here, drill: str) -> Response:
    """One drill's result."""
    return reply(drills.get(actor, services, drill))
