"""The fallback: any line is an event with a message. What no format reads is still kept, searched and shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from collectors.formats._frames import Piece, finish, gather
from collectors.formats._text import decode
from soc_core.protocols import Context, Parsed

FIXED = {"event.kind": "event", "event.module": "text", "event.dataset": "text.line"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each decodable line is one event whose message is the line."""
    text, faults = decode(lines, ctx.encoding)
    rows = np.flatnonzero(text.is_not_null().to_numpy())
    frame = pl.DataFrame({"message": text.gather(rows)})
    return gather([Piece(rows, finish(frame, FIXED))], faults)


def sniff(lines: Sequence[bytes]) -> float:
    """A constant: a format that reads fewer than a third of the lines is not theirs."""
    return 0.3
