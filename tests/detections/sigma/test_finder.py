"""The finder of keywords: every text that holds a literal is found, whatever stands around it."""

from __future__ import annotations

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detections.sigma import finder as finding
from detections.sigma import multi
from detections.sigma.fold import fold
from soc_core import arrow, native
from soc_core.table import Column, Spread, Strings
from soc_core.text import decode_all
from soc_core.written import Written

LITERALS = ["sekurlsa::", "eo.oe.kiwi", "\\mimilib", "a1"]
OTHERS = ["SeKuRL\u017fA::", "eo.oe.\u212aIWI", "::", "iw", "A", "中文", "\n", "1", " "]
PIECES = st.lists(st.sampled_from([*LITERALS, *OTHERS]), max_size=5).map("".join)
RAW = st.one_of(PIECES.map(str.encode), PIECES.map(lambda text: text.encode("gb18030")), st.binary(max_size=9),
    PIECES.map(lambda text: text.encode() + b"\xe1"))


class Json(Column):
    """Texts as strings of JSON."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__("message", len(texts))
        self._texts = texts

    @property
    def written(self) -> Strings:
        bodies = [orjson.dumps(text)[1:-1].replace(b"A", b"\\u0041").replace(b"w", b"\\u0077") for text in self.texts]
        ends = np.cumsum([len(body) for body in bodies])
        return Strings(np.frombuffer(b"".join(bodies) or b"-", np.uint8), ends - [len(body) for body in bodies], ends)


def made() -> finding.Finder:
    return finding.finder(LITERALS, "auto", None)


def holding(texts: list[str]) -> set[int]:
    return {row for row, text in enumerate(texts) if any(literal in fold(text) for literal in LITERALS)}


@settings(deadline=None)
@given(st.lists(RAW, min_size=1, max_size=9), st.lists(PIECES, min_size=1, max_size=9))
def test_none_is_missed(raw: list[bytes], plain: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "SAMPLE", 8)
        patch.setattr(finding, "ROWS", 4)
        found = made()
        for _ in range(3):
            texts = decode_all(raw)
            lines = Spread(Written(raw, lambda texts=texts: pl.Series(texts)), None).cut(  # type: ignore[misc]
                "event.original", 0, len(raw))
            assert set(found.rows([[lines]])[0]) >= holding(texts)
            assert set(found.rows([[Json(plain)]])[0]) >= holding(plain)
            series = Column("message", len(plain), pl.Series("message", plain))
            assert set(found.rows([[series]])[0]) >= holding(plain)
            if native.kernels("detections.sigma.kernels") is not None and multi.available("auto"):
                assert set(found.rows([[series]])[0]) - holding(plain) <= {
                    row for row, text in enumerate(plain) if "\u017f" in text or "\u212a" in text}


class Inside(Column):
    """Texts as strings of JSON, within lines that hold them; some lie elsewhere, and their lines hold them not."""

    def __init__(self, texts: list[str], before: list[bytes]) -> None:
        super().__init__("message", len(texts))
        self._texts = texts
        bodies = [orjson.dumps(text)[1:-1].replace(b"A", b"\\u0041").replace(b"w", b"\\u0077") for text in texts]
        self.places = [b'{"a":"' + left + b'","m":"' + body + b'"}' for left, body in zip(before, bodies, strict=True)]
        self.lines = [b'{"a":"' + left + b'"}' if row % 3 == 1 else self.places[row] for row, left in enumerate(before)]
        self.sizes = [len(body) for body in bodies]

    @property
    def written(self) -> Strings:
        ends = arrow.lines(self.places).ends - 2
        return Strings(arrow.MEMORY, ends - self.sizes, ends)


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(PIECES, PIECES), min_size=1, max_size=5), min_size=1, max_size=4))
def test_a_text_within_its_line_is_looked_at_once_and_not_missed(made_of: list[list[tuple[str, str]]]) -> None:
    """Lines and texts of several parts; what stands over the border of two values is found, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "SAMPLE", 8)
        patch.setattr(finding, "ROWS", 4)
        found = made()
        parts, wanted = [], []
        for rows in made_of:
            before = [orjson.dumps(left)[1:-1] for left, _ in rows]
            message = Inside([text for _, text in rows], before)
            whole = decode_all(message.lines)
            lines = Spread(Written(message.lines, lambda whole=whole: pl.Series(whole)), None).cut(  # type: ignore[misc]
                "event.original", 0, len(rows))
            parts.append([lines, message] if len(rows) % 2 else [message, lines])
            wanted.append(holding(whole) | holding(list(map(str, message.texts))))
        for _ in range(3):
            for have, want in zip(found.rows(parts), wanted, strict=True):
                assert have >= want


TORN = st.sampled_from([b"\xc0\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\x80\x80", b"\xf4\x90\x80\x80",
    b"\xf5", b"\xe4\xb8", b"\x80", b"\xf0\x9f\x98", b"abcdefgh", "中é\U0001f600".encode()])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(st.one_of(TORN, st.binary(max_size=3)), max_size=4).map(b"".join), min_size=1, max_size=8))
def test_what_is_no_utf8_is_known_as_python_knows_it(lines: list[bytes]) -> None:
    loops = native.kernels("detections.sigma.kernels")
    if loops is None:
        pytest.skip("no kernels here")
    starts, ends, _ = arrow.lines(lines)
    found = np.zeros(len(lines), np.uint8)
    loops.broken(arrow.MEMORY, starts, ends, np.arange(len(lines)), found)
    assert found.astype(bool).tolist() == [multi.utf8(line) is None for line in lines]


def test_pairs_are_few_and_rare() -> None:
    counts = np.zeros(1 << 16, np.int64)
    counts[ord(":") << 8 | ord(":")] = 1
    assert finding.chosen([b"a::b", b"c::d", b"xy"], counts, 1_000_000) == [(58, 58), (120, 121)]
    counts[ord(":") << 8 | ord(":")] = 9000
    assert (58, 58) not in finding.chosen([b"a::b", b"c::d"], counts, 1_000_000)


def test_pairs_that_are_everywhere_are_chosen_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    if native.kernels("detections.sigma.kernels") is None:
        pytest.skip("no kernels here")
    monkeypatch.setattr(finding, "SAMPLE", 100)
    monkeypatch.setattr(finding, "ROWS", 10)
    found = finding.finder(["ab::c"], "auto", None)
    for text in ("ab abab c::d ab ab", "b:: c:: b:: b::", "ab ab ab ab"):
        for _ in range(4):
            assert not found.rows([[Column("m", 10, pl.Series([text * 3] * 10))]])[0] or not multi.available("auto")
    assert len(found.pairs)
    assert found.pairs[0][[1, 3]].tobytes() != b"ab"
