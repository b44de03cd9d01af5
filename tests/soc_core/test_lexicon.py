"""Lexicons: equal codes mean equal bytes whatever the hash says, with kernels and without, and within their bounds."""

from __future__ import annotations

import itertools

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soc_core import native
from soc_core.coded import CodedColumn
from soc_core.lexicon import ELSEWHERE, ESCAPED, NOTHING, PLAIN, Lexicon, Shelf

WORDS = st.one_of(
    st.none(), st.binary(max_size=40), st.sampled_from([b"", b"a", b"\0", b"\0\0", b"abcdefgh", b"abcdefghi"]),
    st.integers(0, 70).map(lambda size: b"x" * size),
)
MASKS = st.sampled_from([0, 1, 3, (1 << 64) - 1])


def laid(values: list[bytes | None], before: bytes = b"") -> tuple[bytes, np.ndarray, np.ndarray]:
    """Values side by side in one buffer, and where they stand."""
    data, starts, ends = before, [], []
    for value in values:
        starts.append(-1 if value is None else len(data))
        data += value or b""
        ends.append(len(data))
    return data or b"-", np.array(starts, np.int64), np.array(ends, np.int64)


@settings(deadline=None)  # kernels are made on the way
@given(st.lists(st.lists(WORDS, max_size=12), min_size=1, max_size=4), MASKS, st.integers(0, 9))
def test_codes_are_equal_where_the_bytes_are(batches: list[list[bytes | None]], mask: int, shift: int) -> None:
    lexicon = Lexicon((lambda data: data.hex(),), mask=mask)
    seen: dict[bytes | None, int] = {None: NOTHING}
    for values in batches:
        codes = lexicon.encode(*laid(values, b"-" * shift)).tolist()
        for value, code in zip(values, codes, strict=True):
            assert seen.setdefault(value, code) == code
            assert lexicon.texts[code] == (None if value is None else value.hex())
    assert len(set(seen.values())) == len(seen)
    assert sorted(seen.values()) == list(range(len(lexicon))) == list(range(len(seen)))


@settings(deadline=None)
@given(st.lists(WORDS, max_size=40), MASKS, st.integers(0, 6000), st.integers(0, 30), st.data())
def test_without_kernels_it_is_the_same(
    values: list[bytes | None], mask: int, limit: int, long: int, data: st.DataObject
) -> None:
    kinds = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(values), max_size=len(values))), np.uint8)
    readers = (bytes.hex, lambda data: f"<{data.hex()}>")
    fast = Lexicon(readers, limit, long, mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.OFF, "0")
        slow = Lexicon(readers, limit, long)
    if native.kernels("soc_core.lexicon_kernels") is not None:
        assert fast._kernels is not None
    for some in (slice(0, 9), slice(9, None)):
        whole, starts, ends = laid(values[some])
        codes = [each.encode(whole, starts, ends, kinds[some]) for each in (fast, slow)]
        assert codes[0].tolist() == codes[1].tolist()
        assert [len(each) for each in (fast, slow)] == [len(fast)] * 2
        assert (fast.texts, fast.size, fast.full) == (slow.texts, slow.size, slow.full)


def test_values_like_those_before_them() -> None:
    """In runs across which it grows, of two kinds."""
    values = [b"value %d" % (number // 3) for number in range(9000)]
    kinds = np.array([number // 2 % 2 for number in range(9000)], np.uint8)
    whole, starts, ends = laid(values)
    lexicon = Lexicon()
    codes = lexicon.encode(whole, starts, ends, kinds).tolist()
    known: dict[tuple[bytes, int], int] = {}
    wanted = [known.setdefault(pair, len(known) + 1) for pair in zip(values, kinds.tolist(), strict=True)]
    assert codes == wanted
    assert len(lexicon) == len(known) + 1


def test_it_grows() -> None:
    values = [b"value %d" % number for number in range(9000)]
    lexicon = Lexicon()
    first = lexicon.encode(*laid(values))
    assert first.tolist() == list(range(1, 9001))
    assert lexicon.encode(*laid(values[::-1])).tolist() == first.tolist()[::-1]
    assert lexicon.texts == [None, *(value.decode() for value in values)]


def test_a_value_too_long_or_too_late_is_elsewhere() -> None:
    lexicon = Lexicon(limit=1000, long=20)
    codes = lexicon.encode(*laid([b"a", b"x" * 21, b"b", None, b"x" * 20, b"c", b"d", b"e", b"f", b"g", b"h", b"b"]))
    assert codes.tolist() == [1, ELSEWHERE, 2, 0, 3, 4, 5, 6, 7, ELSEWHERE, ELSEWHERE, 2]
    assert lexicon.full


def test_a_full_one_makes_room_for_a_new_one() -> None:
    shelf = Shelf(limit=700)
    first = shelf.lexicon
    first.codes(["a"])
    assert shelf.lexicon is first
    first.codes(list(map(str, range(9))))
    assert shelf.lexicon is not first
    assert shelf.lexicon.codes(["8"]).tolist() == [1]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=9)), max_size=20))
def test_escapes_are_read_as_json_reads_them(texts: list[str | None]) -> None:
    lexicon = Lexicon()
    bodies = [None if text is None else orjson.dumps(text)[1:-1] for text in texts]
    plain = [None if text is None else text.encode() for text in texts]
    for values, kind in ((bodies, ESCAPED), (plain, PLAIN)):
        codes = lexicon.encode(*laid(values), kind)
        assert [lexicon.texts[code] for code in codes] == texts
    kinds = np.array([ESCAPED] * len(texts) + [PLAIN] * len(texts), np.uint8)
    assert [lexicon.texts[code] for code in lexicon.encode(*laid(bodies + plain), kinds)] == texts * 2
    assert [lexicon.texts[code] for code in lexicon.codes(texts)] == texts


def test_one_kind_or_one_each() -> None:
    with pytest.raises(ValueError, match="one kind for all"):
        Lexicon().encode(*laid([b"a", b"b", b"c"]), np.zeros(2, np.uint8))


def test_what_is_read_of_a_value_is_asked_once() -> None:
    asked: list[str] = []

    def read(text: str) -> str | None:
        asked.append(text)
        return None if text == "b" else "\ud800" if text == "h" else text.upper()

    lexicon = Lexicon()
    for texts in (["a", None, "b", "a"], ["b", "c", "A"], ["h", "a"]):
        codes = lexicon.through(read, np.append(lexicon.codes(texts), np.int32(ELSEWHERE)))
        want = [None if text is None or text == "b" else text.upper() for text in texts]
        assert [lexicon.texts[code] for code in codes[:-1] if code >= 0] == [one for one in want if one != "H"]
        assert codes[-1] == ELSEWHERE
        assert [code < 0 for code in codes[:-1]] == [text == "h" for text in texts]
    assert sorted(asked) == ["A", "a", "b", "c", "h"]
    assert lexicon.size > 1000


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "bb", "ccc", "ß", "long" * 9])), max_size=30), st.data())
def test_a_coded_column_reads_like_any(texts: list[str | None], data: st.DataObject) -> None:
    lexicon = Lexicon(long=9)
    codes = lexicon.codes(texts)
    rows = np.array(data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=9) if texts else st.just([])), np.int64)

    def made() -> CodedColumn:
        return CodedColumn("process.name", lexicon, codes, texts.__getitem__)

    for column, want in ((made(), texts), (made().pick(rows), [texts[row] for row in rows]),
                         (made().named("process.name"), texts)):
        assert list(column.texts) == column.series.to_list() == want
        assert column.series.name == "process.name"
        assert column.empty == (want.count(None) == len(want))
        assert column.coded is not None
        assert column.coded.lexicon is lexicon
        assert [None if code < 0 else lexicon.texts[code] for code in column.coded.codes] == [
            None if text and len(text) > 9 else text for text in want]
    assert made().series.to_list() == texts
    assert made().pick(rows).at(range(len(rows))) == [texts[row] for row in rows]
    assert made().pick(rows).pick(np.arange(len(rows))[::-1]).texts == [texts[row] for row in rows[::-1]]
    assert made().named("event.start").coded is None


def test_the_hash_tells_every_length_and_every_byte() -> None:
    if native.kernels("soc_core.words") is None:
        pytest.skip("no kernels here")
    from soc_core.words import hashed

    data = bytes(range(1, 65))
    held = np.frombuffer(data, np.uint8)
    spans = {data[a:b]: hashed(held, a, b, np.uint64(0), np.uint64(77)) for a, b in
             itertools.combinations(range(65), 2)}
    assert len(set(spans.values())) == len(spans)
    for place in range(64):
        other = held.copy()
        other[place] ^= 1
        other.flags.writeable = False
        assert hashed(other, 0, 64, np.uint64(0), np.uint64(77)) != spans[data]
