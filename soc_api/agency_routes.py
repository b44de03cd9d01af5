"""Endpoints of the agencies' status: retention, score, exposure, doors, limits of silence, the self-check."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from casework import compliance, doors, exposure, retention, score, sources
from soc_api.answers import reply
from soc_api.routes import Body, Here, Limit, Text, Who, time_of
from soc_core.models import REAL

router = APIRouter()


class Declaration(Body):
    """A person's word on a line of the self-check; `evidence` says where it can be looked at."""

    requirement: str = Field(max_length=100)
    text: str = Field(min_length=1, max_length=4_000)
    evidence: str = Field(default="", max_length=2_000)
    organisation: str = Field(default="", max_length=200)
    valid_until: str = Field(default="", max_length=40)


@router.get("/agencies/{organisation}/retention")
def retention_one(actor: Who, services: Here, organisation: str) -> Response:
    """How far back each system has logs, days without any, gaps over ten minutes."""
    return reply(retention.kept(actor, services, organisation))


@router.get("/agencies/{organisation}/score")
def score_one(actor: Who, services: Here, organisation: str) -> Response:
    """The score with its formula and parts, its trend, and its like where there are enough of them."""
    return reply(score.score(actor, services, organisation))


@router.get("/sources/card")
def source_card(actor: Who, services: Here, source: Text, realm: Text = REAL) -> Response:
    """How one source's limit of silence came about."""
    return reply(sources.card(actor, services, source, realm))


@router.get("/doors")
def door_list(actor: Who, services: Here) -> Response:
    """Collectors' doors, as marked records prove them."""
    return reply({"rows": doors.listing(actor, services)})


@router.get("/exposures")
def exposure_list(actor: Who, services: Here, organisation: Text = "",
                  kind: Literal["", "vulnerability", "service", "certificate", "account"] = "",
                  open_only: bool = True, after: Text = "", limit: Limit = 100) -> Response:
    """Weaknesses that imports named, the worst first."""
    return reply(exposure.listing(actor, services, organisation, kind, open_only, after, limit))


@router.post("/exposures")
async def exposure_take(request: Request, actor: Who, services: Here, zone: Text = "city") -> Response:
    """A report as the body: Nessus, OpenVAS or Nmap XML, CSV of certificates or accounts; at most a megabyte, larger
    ones come by command."""
    from starlette.concurrency import run_in_threadpool

    return reply(await run_in_threadpool(exposure.take, actor, services, await request.body(), zone))


@router.get("/compliance")
def compliance_check(actor: Who, services: Here, organisation: Text = "",
                     form: Annotated[Literal["json", "csv"], Query()] = "json") -> Response:
    """The self-check, each line with the query behind it; it certifies nothing."""
    found = compliance.check(actor, services, organisation)
    if form == "json":
        return reply(found)
    return Response(as_csv(found), media_type="text/csv; charset=utf-8",
                    headers={"content-disposition": 'attachment; filename="self-check.csv"'})


@router.post("/compliance")
def compliance_declare(actor: Who, services: Here, given: Declaration) -> Response:
    """Declare what no query can prove."""
    compliance.declare(actor, services, given.requirement, given.text, given.evidence, given.organisation,
                       time_of(given.valid_until))
    return reply({"noted": True})


def as_csv(found: compliance.SelfCheck) -> bytes:
    """The self-check as CSV, with a mark that spreadsheets read as UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(compliance.HEADER)
    writer.writerows(compliance.table(found))
    return b"\xef\xbb\xbf" + out.getvalue().encode()
