"""Everything loaded that the first event would wait for: machine code, by a made event that a made rule judges."""

from __future__ import annotations

import numpy as np
import polars as pl

from detections.sigma import finder, literals, load
from detections.sigma.books import KERNELS
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.map import Verbatim
from soc_core.coded import CodedColumn
from soc_core.events import EventBatch, Part
from soc_core.lexicon import Lexicon
from soc_core.native import kernels
from soc_core.table import Column, Single, Spread, Table
from soc_core.written import Written

RULE = """
title: made
id: 00000000-0000-4000-8000-000000000001
status: test
logsource: {product: made}
detection:
  words: [made::word]
  field: {one|contains: abcd, two|endswith: .exe}
  same: {one|fieldref: two}
  condition: words or field or same
"""
LINE = b'{"one":"made::word"}'


def prepare() -> bool:
    """Load kernels; whether there are any."""
    if kernels(KERNELS) is None or kernels(literals.KERNELS) is None:
        return False
    detector = SigmaDetector(load.parse(RULE), Verbatim(), "re2")
    detector.detect(_batch(["x abcd", None]))
    found = finder.finder(["made::word"], "re2", None)
    lines = Spread(Written([LINE] * 2, lambda: pl.Series(["made::word"] * 2)), None).cut("event.original", 0, 2)
    found.rows([[lines]])
    found._choose()
    found.rows([[lines]])
    return True


def _batch(texts: list[str | None]) -> EventBatch:
    lexicon = Lexicon()
    codes = lexicon.codes(texts)
    held: dict[str, Column] = {
        "one": CodedColumn("one", lexicon, codes, texts.__getitem__),
        "two": Column("two", 2, pl.Series("two", ["a.exe", "b"])),
        "event.original": Column("event.original", 2, pl.Series("event.original", ["made::word", "b"])),
        "sigma.logsource": Single("sigma.logsource", 2, ["made//"]),
    }
    return EventBatch(2, [Part(np.arange(2), Table(2, held))])
