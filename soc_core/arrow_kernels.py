"""The loops of arrow.py: where the values of a column begin and end."""

from __future__ import annotations

from typing import Any

from soc_core.native import kernel
from soc_core.words import load4

INLINE = 12  # bytes of a text that lie in the view itself


@kernel
def views(data: Any, at: int, valid: Any, offset: int, places: Any, starts: Any, ends: Any) -> None:
    """Views from `at` in the data on; `places` are those of the buffers, the views' own first."""
    for row in range(len(starts)):
        number = row + offset
        if len(valid) and not valid[number >> 3] >> (number & 7) & 1:
            starts[row] = ends[row] = -1
            continue
        view = at + 16 * number
        size = int(load4(data, view))
        start = view + 4
        if size > INLINE:
            start = places[1 + int(load4(data, view + 8))] + int(load4(data, view + 12))
        starts[row], ends[row] = start, start + size


@kernel
def fixed(valid: Any, offset: int, width: int, starts: Any, ends: Any) -> None:
    """Values of one width side by side, of which the first is that at the offset."""
    for row in range(len(starts)):
        number = row + offset
        if len(valid) and not valid[number >> 3] >> (number & 7) & 1:
            starts[row] = ends[row] = -1
        else:
            starts[row], ends[row] = width * row, width * (row + 1)
