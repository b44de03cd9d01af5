"""Splunk's HTTP Event Collector, for its forwarders, Docker's log driver, Vector, Fluent Bit, OTel collectors.

    curl -H "Authorization: Splunk $(cat data/secrets/ingest_token)" -d '{"event": "…", "host": "web1"}' \
         http://127.0.0.1:8514/services/collector/event

The answer 200 {"text": "Success", "code": 0} comes when the events are durable; with a channel also an ackId, which is
acknowledged from then on. A request is taken whole or refused whole. Each host is a source; how an event goes on
stands in _wrapped.py. https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTinput
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from json.decoder import scanstring  # type: ignore[attr-defined]  # in C, undeclared
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collectors.sources._desk import Desk, Taken, Trouble, framed
from collectors.sources._wrapped import SAMPLE_LINES, Habits, Wrapped, unwrapped
from soc_core import clock
from soc_core.protocols import Raws

SCHEMES = ("splunk", "basic", "bearer")
BLANK = re.compile(r"[ \t\r\n]*")
BETWEEN = re.compile(r"[ \t\r\n,]*")
WHITE = frozenset(" \t\r\n,")
CODES = {401: 3, 413: 6, 429: 9, 503: 9}
BUSY = {429: 503}  # senders wait and come again on 503
LIMIT = 1 << 62  # microseconds beyond this are no time


class Refused(Trouble):
    """An answer with a code of its own, and the number of the event that is at fault."""

    def __init__(self, code: int, sentence: str, number: int | None = None) -> None:
        super().__init__(400, sentence)
        self.code, self.number = code, number


class Envelope(NamedTuple):
    """The keys of one event object, and its `event` as it stands in the request."""

    keys: dict[str, Any]
    event: str


def routes(desk: Desk) -> list[Route]:
    """The collector's paths, old and new."""
    habits, issued = Habits(desk.detect), itertools.count()
    last = [-1]

    def answered(handle: Callable[[Request, str], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await handle(request, desk.who(request, SCHEMES))
            except Trouble as trouble:
                return _refusal(request, trouble)
        return endpoint

    async def taken(request: Request, make: Callable[[bytes], list[Raws]]) -> Response:
        success: dict[str, Any] = {"text": "Success", "code": 0}
        answer = await desk.take(request, lambda body: Taken(make(body), JSONResponse(success)))
        if "x-splunk-request-channel" in request.headers or "channel" in request.query_params:
            last[0] = number = next(issued)  # what it stands for is durable by now
            return JSONResponse(success | {"ackId": number})
        return answer

    async def event(request: Request, name: str) -> Response:
        return await taken(request, lambda body: unwrapped(
            wrapped(body, request.query_params), habits, desk, request, name))

    async def raw(request: Request, name: str) -> Response:
        return await taken(request, lambda body: _raw(habits, desk, request, name, body))

    async def ack(request: Request, name: str) -> Response:
        replies: list[Response] = []

        def make(body: bytes) -> Taken:
            replies.append(JSONResponse({"acks": {str(n): 0 <= n <= last[0] for n in _asked(body)}}))
            return Taken([], replies[0])
        return await desk.take(request, make)

    async def health(request: Request) -> Response:
        if desk.full:
            return JSONResponse({"text": "HEC is unhealthy, queues are full", "code": 18}, 503)
        return JSONResponse({"text": "HEC is healthy", "code": 17})

    base = "/services/collector"
    return [
        *(Route(base + path, answered(event), methods=["POST"]) for path in ("", "/event", "/event/1.0")),
        *(Route(base + path, answered(raw), methods=["POST"]) for path in ("/raw", "/raw/1.0")),
        Route(base + "/ack", answered(ack), methods=["POST"]),
        *(Route(base + path, health, methods=["GET"]) for path in ("/health", "/health/1.0")),
    ]


def wrapped(body: bytes, defaults: Mapping[str, str]) -> list[Wrapped]:
    """The events of a body; `defaults` are its address's parameters. Raises Refused with the event's number."""
    found: list[Wrapped] = []
    for number, (keys, text) in enumerate(envelopes(body)):
        event = keys.get("event")
        if event is None:
            raise Refused(12, "Event field is required", number)
        if event == "":
            raise Refused(13, "Event field cannot be blank", number)
        object_ = event if isinstance(event, dict) else None
        content = event if isinstance(event, str) else text
        about = {**defaults, **keys}
        found.append(Wrapped(content.encode("utf-8", "surrogateescape" if content is text else "replace"), object_,
                             _about(about), str(about.get("host") or ""), str(about.get("sourcetype") or "")))
    if not found:
        raise Refused(5, "No data")
    return found


def envelopes(body: bytes) -> Iterator[Envelope]:
    """JSON objects in a row, or in an array; bytes that are no UTF-8 stay what they are. Raises Refused."""
    text = body.decode("utf-8", "surrogateescape").strip(" \t\r\n\ufeff")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    scan = json.JSONDecoder(strict=False).raw_decode
    at, number = _past(BETWEEN, text, 0), 0
    while at < len(text):
        try:
            envelope, at = _object(text, at, scan)
        except (ValueError, RecursionError, IndexError):
            raise Refused(6, "Invalid data format", number) from None
        yield envelope
        at, number = _past(BETWEEN, text, at), number + 1


def _object(text: str, at: int, scan: Callable[[str, int], tuple[Any, int]]) -> tuple[Envelope, int]:
    """One object key by key, as the place of `event` is wanted. Raises ValueError, IndexError."""
    if text[at] != "{":
        raise ValueError("no object")
    keys: dict[str, Any] = {}
    event = ""
    at = _past(BLANK, text, at + 1)
    while text[at] != "}":
        if text[at] != '"':
            raise ValueError("no key")
        key, at = scanstring(text, at + 1, False)
        at = _past(BLANK, text, at)
        if text[at] != ":":
            raise ValueError("no colon")
        start = _past(BLANK, text, at + 1)
        keys[key], end = scan(text, start)
        if key == "event":
            event = text[start:end]
        at = _past(BLANK, text, end)
        if text[at] == ",":
            at = _past(BLANK, text, at + 1)
        elif text[at] != "}":
            raise ValueError("no comma")
    return Envelope(keys, event), at + 1


def _past(pattern: re.Pattern[str], text: str, at: int) -> int:
    if text[at : at + 1] not in WHITE:
        return at
    match = pattern.match(text, at)
    return match.end() if match else at


def _about(keys: Mapping[str, Any]) -> dict[str, Any]:
    """An envelope's keys in ECS names; `fields` as they are."""
    about: dict[str, Any] = {}
    if (at := _time(keys.get("time"))) is not None:
        about["@timestamp"] = at
    for key, name in (("host", "host.name"), ("source", "log.file.path"), ("sourcetype", "event.dataset")):
        if keys.get(key):
            about[name] = str(keys[key])
    if isinstance(fields := keys.get("fields"), dict):
        about.update(fields)
    return about


def _time(value: Any) -> str | None:
    """Seconds since the epoch, as a number or as text, to the microsecond."""
    try:
        at = int(Decimal(str(value)) * clock.SECOND)
        return clock.to_text(at) if 0 <= at < LIMIT else None
    except (InvalidOperation, ValueError, OverflowError, OSError):
        return None


def _raw(habits: Habits, desk: Desk, request: Request, name: str, body: bytes) -> list[Raws]:
    found = framed(body)
    if not found.lines:
        raise Refused(5, "No data")
    host, kind = request.query_params.get("host", ""), request.query_params.get("sourcetype", "")
    format_ = habits.format((name, host, kind), found.lines[:SAMPLE_LINES])
    origin = desk.origin(request, desk.source(name, host), format_)
    return [Raws(origin, found.lines, clock.now(), None, found.damaged)]


def _asked(body: bytes) -> list[int]:
    try:
        asked = orjson.loads(body)["acks"]
        return [int(number) for number in asked]
    except (ValueError, TypeError, KeyError):
        raise Refused(6, "Invalid data format") from None


def _refusal(request: Request, trouble: Trouble) -> Response:
    status, code, text = BUSY.get(trouble.status, trouble.status), CODES.get(trouble.status, 6), str(trouble)
    answer: dict[str, Any] = {"text": text, "code": code}
    if isinstance(trouble, Refused):
        answer["code"] = trouble.code
        if trouble.number is not None:
            answer["invalid-event-number"] = trouble.number
    elif trouble.status == 401:
        if not request.headers.get("authorization"):
            answer = {"text": "Token is required", "code": 2}
        elif request.headers["authorization"].partition(" ")[0].lower() not in SCHEMES:
            answer = {"text": "Invalid authorization", "code": 3}
        else:
            status, answer = 403, {"text": "Invalid token", "code": 4}
    elif status == 503:
        answer["text"] = "Server is busy"
    return JSONResponse(answer, status, trouble.headers)
