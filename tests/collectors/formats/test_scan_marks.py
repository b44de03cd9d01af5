"""Where the quotation marks of a line stand, and whether its texts are well written, at every place of 32 bytes."""

from __future__ import annotations

import pytest

from collectors.formats import _tokens
from collectors.formats._tokens import Scanners
from soc_core.native import kernels
from tests.collectors.formats.test_tokens import SCANNERS, SPLIT, agree

pytestmark = pytest.mark.skipif(kernels(_tokens.TREE) is None, reason="no kernels here (numba, SOC_NATIVE)")


@pytest.mark.parametrize("part", [
    b"\\\\", b'\\"', b'\\\\\\"', b"\\r\\n", b"\\u957f", b"\\\\u12", b"\xe9\x95\xbf", b"\xf0\x9f\x98\x80", b"x\\\\",
    b"'"])
@pytest.mark.parametrize("times", [1, 2, 33])
def test_texts_are_sure_wherever_they_stand(part: bytes, times: int) -> None:
    lines = [b'{"a":"' + b"x" * pad + part * times + b'","b":"' + part + b'"}' for pad in range(70)]
    assert agree(lines, SCANNERS) == len(lines)


@pytest.mark.parametrize("part", [
    b"\x1f", b"\n", b"\xff", b"\xe9\x95", b"\\x", b"\\\\\\q", b"\\u12g4", b"\\ud83d", b'"', b'\\\\"', b"\\",
    b"\xed\xa0\x80"])
def test_texts_are_doubtful_wherever_they_are_damaged(part: bytes) -> None:
    lines = [b'{"a":"' + b"x" * pad + part + b'","b":1}' for pad in range(70)]
    sheet = Scanners(SPLIT).scan(lines)
    assert sheet is not None
    assert (sheet.node == -1).all()


def test_controls_between_values_are_white_space_alone() -> None:
    lines = [b'{"a":"' + b"x" * pad + b'",\t"b":\n1\r\n}' for pad in range(70)]
    assert agree(lines, SCANNERS) == len(lines)
    assert agree([line.replace(b"\t", b"\x0b") for line in lines], SCANNERS) == 0


def test_names_alike_but_for_their_ends_and_lines_beyond_all_room() -> None:
    names = [b"n" * size + end for size in (1, 31, 32, 33, 64) for end in (b"", b"a", b"b")]
    assert agree([b'{"%s":1,"z":2}' % name for name in names] * 3, SCANNERS) == 3 * len(names)
    long = b'{"a":"' + b"x" * _tokens.LINE + b'"}'
    many = b'{"a":[' + b",".join([b'""'] * _tokens.MARKS_OF_LINE) + b"]}"
    assert agree([names[0].join([b'{"', b'":1}']), long, many, b'{"a":"b"}'], SCANNERS) == 2
