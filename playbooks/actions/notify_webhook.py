"""notify_webhook: POST JSON to an address that soc.yaml allows under `webhooks:`; only for real alerts.

args: `url`; `body` (default: message and alert); `message`. The header Idempotency-Key is the same in every attempt,
so that the receiver can drop what it has. What is personal is masked: it leaves the platform. Tried three times on
network errors, 429 and 5xx, with growing pauses.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict

from soc_core import personal
from soc_core.models import REAL
from soc_core.protocols import Preview, Probe, Result
from soc_core.urls import below

TIMEOUT = 10.0
PAUSES = (0.5, 2.0)  # seconds before the second and the third attempt


class Args(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str
    message: str = ""
    body: dict[str, Any] | None = None


def plan(ctx: dict[str, Any], args: dict[str, Any]) -> Preview:
    """Raises ValueError on an address that is not allowed, and on an alert that is not real."""
    wanted = Args(**args)
    if ctx["alert"]["realm"] != REAL:
        raise ValueError(f"alerts of realm {ctx['alert']['realm']} are not sent out of the platform")
    if not any(below(wanted.url, allowed) for allowed in ctx["settings"].webhooks):
        raise ValueError(f"{wanted.url} is not among the addresses under `webhooks:` in soc.yaml")
    return Preview(f"POST to {urlsplit(wanted.url).netloc}")


def run(ctx: dict[str, Any], args: dict[str, Any]) -> Result:
    plan(ctx, args)  # also when called by itself
    wanted = Args(**args)
    alert = {**ctx["alert"], **{name: personal.without(ctx["alert"].get(name) or {}) for name in ("group", "entities")
                                if name in ctx["alert"]}}
    body = personal.without(wanted.body if wanted.body is not None else {"message": wanted.message, "alert": alert})
    headers = {"Idempotency-Key": ctx["key"], "User-Agent": "CitySOC"}
    said = ""
    with httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client:
        for attempt, pause in enumerate((*PAUSES, None), 1):
            try:
                status = client.post(wanted.url, json=body, headers=headers).status_code
            except httpx.HTTPError as error:
                said = f"{type(error).__name__}: {error}"
            else:
                if 200 <= status < 300:
                    return Result(True, f"accepted with {status}", {"status": status, "attempts": attempt})
                said = f"answered {status}"
                if status < 500 and status != 429:
                    break
            if pause is not None:
                time.sleep(pause)
    return Result(False, f"{urlsplit(wanted.url).netloc} {said}", {})


def probe(ctx: dict[str, Any], intent: dict[str, Any]) -> Probe:
    """Only the receiver knows, and it knows the key."""
    return "unknown"


def undo(ctx: dict[str, Any], result: dict[str, Any]) -> Result:
    """What was sent was sent."""
    return Result(False, "a message cannot be called back", {})
