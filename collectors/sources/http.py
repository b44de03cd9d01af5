"""Logs over HTTP: `POST /ingest` with lines, NDJSON or a JSON array, acknowledged once the journal holds them.

    curl -H "Authorization: Bearer $(cat data/secrets/ingest_token)" --data-binary @auth.log \
         "http://127.0.0.1:8514/ingest?source=gateway&format=syslog"

200 {"accepted": n}, else one sentence: {"error": …} with 400 (what was sent), 401 (token), 413 (too large), 429 (too
much at once; Retry-After), 503 (the journal cannot be written). With an `Idempotency-Key` header the records are
numbered under that key, so that a request which is sent again is stored once. On the same port and with the same
tokens: Elasticsearch's `_bulk` (bulk.py), Splunk's collector (hec.py), OTLP logs (otlp.py).
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collectors.sources import bulk, hec, otlp
from collectors.sources._desk import Desk, Detect, Taken, Trouble, framed
from collectors.sources._doors import listen
from collectors.sources._inbox import Value, alike
from collectors.sources._wrapped import Habits
from soc_core import clock, registry
from soc_core.models import REAL
from soc_core.protocols import Raws

SAMPLE_LINES = 200
MANY = 500  # lines of one request that are worth a look of their own
NAME = re.compile(r"[\w.@:+/-]{1,128}")
KEY = re.compile(r"[!-~]{1,200}")


class HttpSource:
    """An HTTP port. Source ids are `http:<token's name>`, with `/<?source=>` where given.

    `tokens` are bearer tokens by name; `detect` names the format of a sample of lines; by `value` of an address it
    is told later than others to come again.
    """

    def __init__(self, tokens: Mapping[str, str], detect: Detect, host: str = "127.0.0.1", port: int = 0, *,
                 zone: str = "city", timezone: str = "Asia/Shanghai", realm: str = REAL, value: Value = alike) -> None:
        self._desk = desk = Desk(tokens, detect, zone, timezone, realm, value)
        self._habits = Habits(detect)
        self._socket = listen(socket.SOCK_STREAM, host, port, "HTTP ingest")
        self.port: int = self._socket.getsockname()[1]
        app = Starlette(
            routes=[Route("/ingest", self._ingest, methods=["POST"]), *hec.routes(desk), *otlp.routes(desk),
                    *bulk.routes(desk)],
            exception_handlers={404: _no_such, 405: _no_such},
        )
        self._server = uvicorn.Server(uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", proxy_headers=False,
            server_header=False, timeout_graceful_shutdown=10,
        ))
        self._thread = threading.Thread(target=self._run, name="http-ingest", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    async def _ingest(self, request: Request) -> Response:
        try:
            name = self._desk.who(request)
            return await self._desk.take(request, lambda body: self._records(request, name, body))
        except Trouble as trouble:
            headers = trouble.headers | ({"WWW-Authenticate": "Bearer"} if trouble.status == 401 else {})
            return JSONResponse({"error": str(trouble)}, trouble.status, headers)

    def _records(self, request: Request, name: str, body: bytes) -> Taken:
        source, key = request.query_params.get("source", ""), request.headers.get("idempotency-key", "")
        format_ = request.query_params.get("format", "")
        if source and not NAME.fullmatch(source):
            raise Trouble(400, "source may hold letters, digits and . @ : + / - _, 128 at most")
        if key and not KEY.fullmatch(key):
            raise Trouble(400, "Idempotency-Key may hold 200 visible ASCII characters at most")
        if format_ and format_ not in registry.names("collectors.formats"):
            raise Trouble(400, f"no format named {format_[:40]!r}; leave it out to have it found by content")
        found = framed(body)
        if not found.lines:
            raise Trouble(400, "the body holds no records")
        origin = self._desk.origin(
            request, f"http:{name}" + (f"/{source}" if source else ""),
            format_ or self._format((name, source), found.lines), key,
        )
        positions = np.arange(len(found.lines), dtype=np.int64) if key else None
        raws = Raws(origin, found.lines, clock.now(), positions, found.damaged)
        return Taken([raws], JSONResponse({"accepted": len(raws.lines)}))

    def _format(self, sender: tuple[str, str], lines: Sequence[bytes]) -> str:
        """The format of the lines; a few lines are taken for what the sender was found to send."""
        if len(lines) >= MANY:
            return self._desk.detect(lines[:SAMPLE_LINES])
        return self._habits.format(sender, lines)

    # ------------------------------------------------------------ the protocol

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        taken = self._desk.next_batch()
        return [raws for waiting in taken for raws in waiting.raws], taken or None

    def ack(self, position: Any) -> None:
        """Answer the requests whose records the journal now holds."""
        self._desk.ack(position or ())

    def stop(self) -> None:
        """Take no more connections; requests that are under way are still answered."""
        self._server.should_exit = True

    def drained(self) -> bool:
        return not self._thread.is_alive() and self._desk.empty

    def counters(self) -> dict[str, int]:
        desk = self._desk
        return {"received": desk.received, "shed": desk.shed, "refused": desk.refused, "waiting_bytes": desk.size}

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(1)
        self._server.force_exit = True
        self._thread.join(5)
        self._socket.close()

    def ready(self, patience: float = 10.0) -> bool:
        """Wait until requests are answered."""
        until = time.monotonic() + patience
        while not self._server.started and time.monotonic() < until:
            time.sleep(0.01)
        return bool(self._server.started)


async def _no_such(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": "POST /ingest is served here, /_bulk, /services/collector and /v1/logs"},
                        getattr(error, "status_code", 404))
