"""Is every line given to the system it came from? Simulated lines through the real parsers and the real enrichment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from collectors import enrich, parse
from simulate import templates
from simulate.deliver import joined
from simulate.run import Marked
from simulate.streams import Streams
from soc_core import identify
from soc_core.inventory import Inventory
from soc_core.protocols import Frame, Origin, Raws


class Attribution(NamedTuple):
    """Lines, events made of them, events with the right and with a wrong system, and kinds by number of failures."""

    lines: int
    events: int
    right: int
    wrong: int
    failures: dict[str, int]

    @property
    def share(self) -> float:
        return self.right / max(self.lines, 1)


def attribution(block: Marked, streams: Streams, inventory: Inventory) -> Attribution:
    """Parse and enrich a block as its collectors would send it: one frame a source, with its zone and peer."""
    frames, truth = frames_of(block, streams)
    known = identify.records(frames, "epoch")
    batch, record = identify.identify(parse.parse(frames), known)
    systems = enrich.Enricher(inventory).enrich(batch).column("soc.system.id").to_list()
    expected = [streams.listed[code] for code in truth[record].tolist()]
    failures: dict[str, int] = {}
    right = wrong = 0
    for stream, system in zip(expected, systems, strict=True):
        right += stream.system == system
        wrong += system is not None and stream.system != system
        if stream.system != system:
            failures[stream.kind] = failures.get(stream.kind, 0) + 1
    return Attribution(known.total, len(systems), right, wrong, failures)


def frames_of(block: Marked, streams: Streams) -> tuple[list[Frame], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The block as journal frames, and the stream of each record in their order."""
    source = streams.source[block.lines.stream]
    order = np.argsort(source, kind="stable")
    data, ends = joined(block.lines.text.gather(order))
    lines = [bytes(data[low : high - 1]) for low, high in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(source[order])) + 1, [len(order)]])
    frames = []
    received = int(block.lines.time.max(initial=0))
    for low, high in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        stream = streams.listed[int(block.lines.stream[order[low]])]
        form = templates.kind(stream.kind).document.format
        origin = Origin(source=stream.source, zone=stream.zone, peer=stream.peer, format=form)
        frames.append(Frame(0, low, Raws(origin, lines[low:high], received)))
    return frames, block.lines.stream[order]
