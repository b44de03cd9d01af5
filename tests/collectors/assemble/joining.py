"""Lines through parser and assemblers, as the worker would take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collectors.assembly import assemble
from collectors.parse import parse
from soc_core import clock
from soc_core.protocols import Assembled, Frame, Origin, Raws
from tests.collectors.formats.fixtures import rows

RECEIVED = clock.from_text("2026-11-23T00:00:00Z")


def joined(lines: Sequence[bytes], format_: str, now: clock.Micros = clock.LATEST) -> Assembled:
    """One frame of one source."""
    frames = [Frame(0, 0, Raws(Origin(source="host", format=format_), list(lines), RECEIVED))]
    return assemble(parse(frames), frames, now)


def events(lines: Sequence[bytes], format_: str, now: clock.Micros = clock.LATEST) -> list[dict[str, Any]]:
    return rows(joined(lines, format_, now).parsed.batch)
