"""The HTTP API, version 1: every service call of casework over JSON. Times are microseconds since the epoch, UTC.

Come in with `Authorization: Bearer TOKEN` (a machine's token, or what /login gave) or with the session cookie; a
change that comes by cookie carries X-CSRF-Token. Every error is {"error": one sentence}.
"""

from __future__ import annotations

import html
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from casework.services import Conflict, NotFound, Services
from soc_api import access_routes, agency_routes, incident_routes, metrics, threat_routes
from soc_api.answers import fault
from soc_api.auth import Denied, Logins
from soc_api.routes import router
from soc_core.access import Refused
from soc_core.config import Settings
from soc_core.protocols import QueryError

log = logging.getLogger(__name__)
VERSION = "1"
BODY_LIMIT = 1 << 20
RATE, BURST = 50.0, 200.0  # requests a second of one peer, and how many it may save up
HEADERS = {
    "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store", "cross-origin-resource-policy": "same-origin",
}


@dataclass
class Bucket:
    """A leaky bucket by peer, bounded in memory."""

    rate: float
    burst: float
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, key: str) -> bool:
        """Whether this request may pass."""
        at = time.monotonic()
        with self._lock:
            level, since = self._levels.pop(key, (self.burst, at))
            level = min(self.burst, level + (at - since) * self.rate)
            self._levels[key] = (max(0.0, level - 1), at)
            if len(self._levels) > 10_000:
                self._levels.pop(next(iter(self._levels)))
        return level >= 1


def create(services: Services, settings: Settings) -> FastAPI:
    """The application. `settings` are those the services were opened with."""
    app = FastAPI(title="CitySOC API", version=VERSION, description=__doc__ or "", docs_url=None, redoc_url=None,
                  openapi_url="/api/v1/openapi.json")
    app.state.services, app.state.logins, app.state.settings = services, Logins(services), settings
    for each in (access_routes.router, agency_routes.router, router, incident_routes.router, threat_routes.router):
        app.include_router(each, prefix="/api/v1")
    guard(app, Bucket(RATE, BURST))
    explain(app)
    app.add_api_route("/docs", lambda: docs(app), include_in_schema=False)
    app.add_api_route("/metrics", metrics.answer, include_in_schema=False)
    return app


def guard(app: FastAPI, bucket: Bucket) -> None:
    """Limits and headers around every request."""

    @app.middleware("http")
    async def around(request: Request, run: Callable[[Request], Awaitable[Response]]) -> Response:
        peer = request.client.host if request.client else ""
        length = request.headers.get("content-length", "0")
        if not bucket.take(peer):
            answer = fault(429, "too many requests; try again in a second")
            answer.headers["retry-after"] = "1"
        elif not length.isdecimal() or int(length) > BODY_LIMIT or "transfer-encoding" in request.headers:
            answer = fault(413, f"a request body has a length, of at most {BODY_LIMIT} bytes")
        else:
            answer = await run(request)
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer


def explain(app: FastAPI) -> None:
    """One clear sentence on every error; a defect of ours gets a number that the log has, too."""

    def handle(kind: type[Exception] | int, make: Callable[[Any], Response]) -> None:
        async def answer(_request: Request, error: Exception) -> Response:
            return make(error)

        app.add_exception_handler(kind, answer)

    def wrong(error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"][1:]) or "body"
        return fault(422, f"{where}: {first['msg']}")

    def unexpected(error: Exception) -> Response:
        number = secrets.token_hex(6)
        log.error("request failed, number %s", number, exc_info=error)
        return fault(500, f"this request failed; the log says why under number {number}", number=number)

    handle(QueryError, lambda error: fault(422, str(error), position=error.position))
    handle(NotFound, lambda error: fault(404, str(error)))
    handle(Denied, lambda error: fault(429, str(error), wait=error.wait) if error.wait else fault(401, str(error)))
    handle(Refused, lambda error: fault(403, str(error)))
    handle(Conflict, lambda error: fault(409, str(error), current=error.current))
    handle(RequestValidationError, wrong)
    handle(HTTPException, lambda error: fault(error.status_code, str(error.detail)))
    handle(ValueError, lambda error: fault(422, str(error)))
    handle(OSError, lambda error: fault(503, f"the data cannot be read now: {error}"))
    handle(Exception, unexpected)


def docs(app: FastAPI) -> HTMLResponse:
    """The endpoints as a plain page: no script, nothing from outside."""
    rows = []
    for path, methods in app.openapi()["paths"].items():
        for method, about in methods.items():
            named = ", ".join(item["name"] for item in about.get("parameters", ()))
            cells = (method.upper(), path, about.get("summary", ""), about.get("description", ""), named)
            rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    style = "body{font:15px/1.6 sans-serif;margin:2rem;color-scheme:light dark}td,th{padding:4px 12px 4px 0;" \
            "vertical-align:top;text-align:left}td:nth-child(-n+2){font-family:monospace;white-space:nowrap}"
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>CitySOC API</title><style>{style}</style>"
        f"<h1>CitySOC API v{VERSION}</h1><p>{html.escape(app.description)}</p>"
        "<p>The same as OpenAPI: <a href=/api/v1/openapi.json>/api/v1/openapi.json</a></p>"
        f"<table><tr><th>method<th>path<th>what<th>more<th>parameters</tr>{''.join(rows)}</table></html>")
