"""Endpoints of incidents: the list, one whole, its changes, its evidence. Each asks one service of casework."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from casework import classes, evidence, holds, incidents, metrics, timeline, verdicts
from casework.machine import Undrawn, machine
from casework.services import Conflict, NotFound
from soc_api.answers import reply
from soc_api.routes import Body, Here, Limit, Remark, Target, Text, Who, time_of
from soc_core.access import Refused
from soc_core.models import REAL, Level
from soc_core.state.incidents import Filter

router = APIRouter()
Note = Annotated[str, Field(max_length=2_000)]


class Step(Body):
    """One step of an incident, and the version that the caller saw. `kind`: a class of GB/T 20986."""

    version: int
    action: str = Field(max_length=50)
    note: Note = ""
    kind: str = Field(default="", max_length=10)


class Given(Body):
    version: int
    assignee: str = Field(max_length=200)
    note: Note = ""


class Split(Body):
    version: int
    alerts: list[str] = Field(min_length=1, max_length=1_000)
    note: Note = ""


class Merge(Body):
    version: int
    others: list[Target] = Field(min_length=1, max_length=100)
    note: Note = ""


class Bulk(Body):
    """One action, or `assign` with an account as `value`, on at most 500 incidents."""

    incidents: list[Target] = Field(min_length=1, max_length=500)
    action: str = Field(max_length=50)
    value: str = Field(default="", max_length=200)
    note: Note = ""


class Handing(Body):
    to: str = Field(max_length=200)
    note: Note = ""


class Hold(Body):
    """A hold on an incident, or on the events of an organisation ("" is everyone) in a span."""

    reason: str = Field(min_length=1, max_length=2_000)
    incident: str = Field(default="", max_length=200)
    organisation: str = Field(default="", max_length=200)
    since: str = Field(default="", max_length=50)
    until: str = Field(default="", max_length=50)
    realm: str = Field(default=REAL, max_length=50)


class Reason(Body):
    reason: str = Field(min_length=1, max_length=2_000)


# ---------------------------------------------------------------- reading


@router.get("/incidents")
def incident_list(
    actor: Who, services: Here, realm: Text = "", status: Text = "", level: Level | Literal[""] = "",
    organisation: Text = "", assignee: Text = "", kind: Text = "", since: Text = "", until: Text = "",
    after: Text = "", limit: Limit = 50,
) -> Response:
    """Incidents, the riskiest first. `status` open: all that have not ended."""
    wanted = Filter(realm, status, level, organisation, assignee, kind, time_of(since), time_of(until))
    return reply(incidents.listing(actor, services, wanted, after, limit))


@router.get("/incidents/machine")
def incident_machine(actor: Who) -> Response:
    """The states of an incident and what leads from one to the other, and the classes of events."""
    drawn = machine("incident").model_dump(by_alias=True)
    return reply({"machine": drawn, "classes": list(classes.classes().values())})


@router.get("/incidents/{incident}")
def incident_one(actor: Who, services: Here, incident: str) -> Response:
    """One incident with its alerts, the reason of each, its ledger and what the caller may do."""
    return reply(incidents.detail(actor, services, incident))


@router.get("/incidents/{incident}/timeline")
def incident_timeline(actor: Who, services: Here, incident: str) -> Response:
    """Everything that happened, oldest first."""
    return reply({"entries": timeline.timeline(actor, services, incident)})


@router.get("/incidents/{incident}/similar")
def incident_similar(actor: Who, services: Here, incident: str, limit: Limit = 5) -> Response:
    """Others of the same rules, in the caller's scope."""
    return reply({"incidents": incidents.similar(actor, services, incident, limit)})


@router.get("/metrics/times")
def times(actor: Who, services: Here, by: metrics.By = "all", since: Text = "", until: Text = "",
          realm: Text = REAL) -> Response:
    """MTTD, MTTA, MTTC and MTTR in microseconds, by agency, district, rule or kind."""
    return reply({"rows": metrics.times(actor, services, by, time_of(since), time_of(until), realm)})


@router.get("/metrics/precision")
def precision(actor: Who, services: Here, since: Text = "", rule: Text = "") -> Response:
    """Each rule's precision from verdicts, with its interval at 95 %."""
    return reply({"rows": verdicts.precision(actor, services, time_of(since), rule)})


# ---------------------------------------------------------------- changing


@router.post("/incidents/bulk")
def incident_bulk(actor: Who, services: Here, given: Bulk) -> Response:
    """One action on several; an answer for each."""
    answers = incidents.bulk(actor, services, given.action, given.value,
                             [(item.id, item.version) for item in given.incidents], given.note)
    told: list[dict[str, Any]] = []
    for item, answer in zip(given.incidents, answers, strict=True):
        if isinstance(answer, Conflict):
            told.append({"id": item.id, "result": "conflict", "current": answer.current})
        elif isinstance(answer, NotFound):
            told.append({"id": item.id, "result": "not found"})
        elif isinstance(answer, (Undrawn, Refused)):
            told.append({"id": item.id, "result": "refused", "reason": str(answer)})
        else:
            told.append({"id": item.id, "result": "done", "incident": answer})
    return reply({"results": told})


@router.post("/incidents/{incident}/step")
def incident_step(actor: Who, services: Here, incident: str, given: Step) -> Response:
    """A step of the state machine; 422 on one that is not drawn, 409 when somebody was first."""
    return reply(incidents.change(actor, services, incident, given.version, given.action, given.note, given.kind))


@router.post("/incidents/{incident}/assign")
def incident_assign(actor: Who, services: Here, incident: str, given: Given) -> Response:
    """Give it to an account; "" takes it away."""
    return reply(incidents.assign(actor, services, incident, given.version, given.assignee, given.note))


@router.post("/incidents/{incident}/comment")
def incident_comment(actor: Who, services: Here, incident: str, given: Remark) -> Response:
    """A remark in its ledger."""
    incidents.comment(actor, services, incident, given.note)
    return reply({"noted": True})


@router.post("/incidents/{incident}/split")
def incident_split(actor: Who, services: Here, incident: str, given: Split) -> Response:
    """Some alerts into an incident of their own, which is the answer."""
    return reply(incidents.split(actor, services, incident, given.version, given.alerts, given.note))


@router.post("/incidents/{incident}/merge")
def incident_merge(actor: Who, services: Here, incident: str, given: Merge) -> Response:
    """Other incidents of the same organisation into this one."""
    others = [(item.id, item.version) for item in given.others]
    return reply(incidents.merge(actor, services, incident, given.version, others, given.note))


# ---------------------------------------------------------------- evidence and holds


@router.get("/incidents/{incident}/evidence")
def evidence_list(actor: Who, services: Here, incident: str) -> Response:
    """What was taken in."""
    return reply({"evidence": evidence.listing(actor, services, incident)})


@router.post("/incidents/{incident}/evidence")
async def evidence_add(actor: Who, services: Here, request: Request, incident: str,
                       name: Annotated[str, Query(max_length=300)],
                       note: Annotated[str, Query(max_length=2_000)] = "") -> Response:
    """Take the request's body in as a file."""
    from starlette.concurrency import run_in_threadpool

    media = request.headers.get("content-type", "application/octet-stream")[:200]
    body = await request.body()
    return reply(await run_in_threadpool(evidence.add, actor, services, incident, name, body, media, note))


@router.post("/incidents/{incident}/evidence/events")
def evidence_snapshot(actor: Who, services: Here, incident: str) -> Response:
    """The records of its alerts as evidence."""
    return reply(evidence.snapshot(actor, services, incident))


@router.get("/evidence/{number}/content")
def evidence_read(actor: Who, services: Here, number: int) -> Response:
    """The bytes, after checking their hash; who read them is noted."""
    found, body = evidence.read(actor, services, number)
    named = f"attachment; filename*=UTF-8''{quote(found.name)}"
    return Response(body, media_type="application/octet-stream",
                    headers={"content-disposition": named, "digest": f"sha-256={found.sha256}"})


@router.post("/evidence/{number}/verify")
def evidence_verify(actor: Who, services: Here, number: int) -> Response:
    """Check it against its hash."""
    return reply(evidence.verify(actor, services, number))


@router.post("/evidence/{number}/hand")
def evidence_hand(actor: Who, services: Here, number: int, given: Handing) -> Response:
    """Into another account's hands."""
    evidence.hand_over(actor, services, number, given.to, given.note)
    return reply({"custody": evidence.custody(actor, services, number)})


@router.get("/evidence/{number}/custody")
def evidence_custody(actor: Who, services: Here, number: int) -> Response:
    """Every hand that it went through."""
    return reply({"custody": evidence.custody(actor, services, number)})


@router.get("/holds")
def hold_list(actor: Who, services: Here, standing: bool = True) -> Response:
    """Legal holds."""
    return reply({"holds": holds.listing(actor, services, standing)})


@router.post("/holds")
def hold_put(actor: Who, services: Here, given: Hold) -> Response:
    """Keep an incident's events, or a span of an organisation's, until the hold is lifted."""
    if given.incident:
        return reply(holds.hold_incident(actor, services, given.incident, given.reason))
    since, until = time_of(given.since), time_of(given.until)
    if since is None or until is None:
        raise ValueError("a hold names an incident, or a span: since and until")
    return reply(holds.hold_events(actor, services, given.organisation, since, until, given.reason, given.realm))


@router.post("/holds/{number}/lift")
def hold_lift(actor: Who, services: Here, number: int, given: Reason) -> Response:
    """End a hold."""
    return reply(holds.lift(actor, services, number, given.reason))
