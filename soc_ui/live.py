"""JSON routes beside the pages, for what refreshes often: read only, by the same session and the same view models."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from casework.recent import Recent
from casework.services import NotFound
from soc_core.access import Actor, Refused
from soc_ui import runtime
from soc_ui.gate import entry, language_of
from soc_ui.vm.queue import QueueFilter, alert_peek, queue_page

log = logging.getLogger(__name__)


snapshots: Recent[tuple[bytes, str]] = Recent(1.0)  # a page and its tag


def answer(body: bytes, request: Request | None = None, tag: str = "") -> Response:
    headers = {"cache-control": "no-store"}
    if tag:
        headers["etag"] = tag
        if request is not None and request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def tagged(page: dict[str, Any]) -> tuple[bytes, str]:
    """A page of the queue as sent, and a tag that is the same while its rows and total are."""
    seen = hashlib.blake2b(orjson.dumps([page["rows"], page["total"]]), digest_size=12).hexdigest()
    return orjson.dumps(page), f'"{seen}"'


def fault(status: int, error: str) -> Response:
    return Response(orjson.dumps({"error": error}), status, media_type="application/json")


async def with_actor(request: Request, run: Callable[[Actor], Response]) -> Response:
    """Run one read for whoever asks; one clear sentence when it cannot be done."""
    who = await run_in_threadpool(entry, request)
    if who is None or who.halted:
        return fault(401, "sign in first")
    try:
        return await run_in_threadpool(run, who.actor)
    except (NotFound, Refused):
        return fault(404, "there is no such item")
    except ValueError as error:
        return fault(422, str(error))
    except OSError as error:
        log.error("live route cannot read", exc_info=error)
        return fault(503, "the data cannot be read now")


async def queue(request: Request) -> Response:
    """A page of the queue: the list's own rows, total and next key; 304 when nothing changed."""
    wanted = QueueFilter.read(request.query_params)
    after, limit = request.query_params.get("after", ""), request.query_params.get("limit", "50")

    def run(actor: Actor) -> Response:
        if not limit.isdecimal():
            raise ValueError("limit is a number")
        mine = actor.name if wanted.view == "mine" else ""
        body, tag = snapshots.get((actor.scope, mine, wanted, after, limit), lambda: tagged(queue_page(
            actor, runtime.services(), wanted, after, int(limit)).to_json()))
        return answer(body, request, tag)

    return await with_actor(request, run)


async def peek(request: Request) -> Response:
    """The alert under the cursor, with its first raw record."""
    alert, language = request.query_params.get("id", ""), language_of(request)
    return await with_actor(request, lambda actor: answer(orjson.dumps(
        alert_peek(actor, runtime.services(), language, alert).to_json())))


def routes() -> list[BaseRoute]:
    return [Route("/live/queue", queue, methods=["GET"]), Route("/live/peek", peek, methods=["GET"])]
