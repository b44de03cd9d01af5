"""The fallback: any line is an event with a message. What no format reads is still kept, searched and shown.

Lines of one shape share a template, so that a new format is counted and looked at by kinds of lines at once. It is made
as Drain's first step is (https://doi.org/10.1109/ICWS.2017.13): what varies by nature (words with digits, quoted text,
values of pairs) becomes `<*>`. Its second step, merging by likeness, depends on what came before; a template here is a
function of the line alone, so that a replay gives the same event.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from collectors.formats._frames import Piece, finish, gather
from collectors.formats._text import decode
from soc_core.protocols import Context, Parsed

LONGEST = 300  # characters of a template
MASKS = (
    (r""" "[^"]*"|'[^']*' """.strip(), "<*>"),
    (r"([A-Za-z_][\w.-]*=)[^\s,;<]+", "${1}<*>"),
    (r"[^\s,;()\[\]{}<>=]*\d[^\s,;()\[\]{}<>=]*", "<*>"),
    (r"<\*>(?:[\s,;]*<\*>)+", "<*>"),
)
FIXED = {"event.kind": "event", "event.module": "text", "event.dataset": "text.line"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each decodable line is one event whose message is the line."""
    text, faults = decode(lines, ctx.encoding)
    rows = np.flatnonzero(text.is_not_null().to_numpy())
    message = text.gather(rows)
    frame = pl.DataFrame({"message": message, "soc.template": templates(message)})
    return gather([Piece(rows, finish(frame, FIXED))], faults)


def templates(text: pl.Series) -> pl.Series:
    """What stays of each line when everything that varies is taken out."""
    text = text.str.slice(0, 4 * LONGEST)
    for pattern, mark in MASKS:
        text = text.str.replace_all(pattern, mark)
    return text.str.slice(0, LONGEST)


def sniff(lines: Sequence[bytes]) -> float:
    """A constant: a format that reads fewer than a third of the lines is not theirs."""
    return 0.3
