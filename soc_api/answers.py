"""What the API answers with: JSON of whatever the services return."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel
from starlette.responses import Response


def plain(value: Any) -> Any:
    """What orjson does not know by itself."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, tuple):
        return value._asdict() if hasattr(value, "_asdict") else list(value)
    if isinstance(value, Exception):
        return str(value)
    return str(value)


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON of dataclasses, models and plain data; named tuples as objects."""
    body = orjson.dumps(unfold(value), default=plain, option=orjson.OPT_NON_STR_KEYS)
    return Response(body, status, headers, media_type="application/json")


def unfold(value: Any) -> Any:
    """Named tuples as objects at any depth: orjson would write them as lists."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: unfold(item) for name, item in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [unfold(item) for item in value]
    if isinstance(value, dict):
        return {key: unfold(item) for key, item in value.items()}
    return value


def fault(status: int, error: str, **more: Any) -> Response:
    return reply({"error": error, **more}, status)
