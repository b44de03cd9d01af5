"""Log records that came in a shipper's envelope: a product's own line goes on as it was, anything else as ECS.

A line that a format knows carries its own time and host, so it is taken verbatim and the envelope names its source.
What no format knows keeps what the envelope says of it: one ECS document, the envelope's fields beside the content.
"""

from __future__ import annotations

import json
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request

from collectors.sources._desk import Desk, Detect, raws_of
from soc_core.protocols import Raws

SAMPLE_LINES = 200
NOBODYS = frozenset(("", "text", "json", "ecs"))  # formats that are of no product


class Wrapped(NamedTuple):
    """One record: its text verbatim, the same as an object where it is one, and what the envelope says in ECS names.

    `sender` names the source; records of one sender and `kind` are taken to be of one format.
    """

    text: bytes
    object: Mapping[str, Any] | None
    about: Mapping[str, Any]
    sender: str = ""
    kind: str = ""


class Habits:
    """What senders are known to send, so that small requests need not be looked at one by one.

    Looked at again after SOON, and less and less often while it stays the same; what no format knew, always soon.
    """

    SOON, LATE, MOST = 10.0, 3600.0, 20_000  # seconds, seconds, senders

    def __init__(self, detect: Detect) -> None:
        self._detect = detect
        self._known: dict[Hashable, tuple[str, float, float]] = {}  # format, until when, for how long

    def format(self, key: Hashable, sample: Sequence[bytes]) -> str:
        known, until, span = self._known.get(key, ("", 0.0, 0.0))
        now = time.monotonic()
        if now < until:
            return known
        found = self._detect(sample)
        span = min(2 * span, self.LATE) if span and found == known and found not in NOBODYS else self.SOON
        if len(self._known) >= self.MOST and key not in self._known:
            self._known.clear()
        self._known[key] = found, now + span, span
        return found


def unwrapped(
    records: Iterable[Wrapped], habits: Habits, desk: Desk, request: Request, name: str
) -> list[Raws]:
    """The records by source and format, in the order of their first."""
    groups: dict[tuple[str, str, bool], list[Wrapped]] = {}
    for record in records:
        groups.setdefault((record.sender, record.kind, record.object is None), []).append(record)
    found: dict[tuple[str, str], list[bytes]] = {}
    for key, group in groups.items():
        sender = key[0]
        format_ = habits.format((name, *key), [record.text for record in group[:SAMPLE_LINES]])
        own = format_ not in NOBODYS
        lines = [record.text if own else document(record) for record in group]
        found.setdefault((desk.source(name, sender), format_ if own else "ecs"), []).extend(lines)
    return [raws_of(desk.origin(request, *key), lines) for key, lines in found.items()]


def document(record: Wrapped) -> bytes:
    """An ECS document of content and envelope; what the content says itself counts."""
    if record.object is None:
        return dumps({**record.about, "message": record.text.decode("utf-8", "replace")})
    return dumps({**record.about, **record.object})


def dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer over 64 bits, half a surrogate pair
        return json.dumps(value).encode()
