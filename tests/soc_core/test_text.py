"""Bytes become text without losing or inventing anything."""

from __future__ import annotations

import pytest

from soc_core.text import decode, decode_all


@pytest.mark.parametrize(("line", "encoding", "text"), [
    (b"plain", "", "plain"),
    ("长沙".encode(), "", "长沙"),
    ("长沙".encode("gb18030"), "", "长沙"),
    (b"\xff\xfe\x80", "", "\\xff\\xfe\\x80"),
    ("é".encode("latin-1"), "latin-1", "é"),
    ("长沙".encode(), "ascii", "长沙"),  # the named codec does not fit: as if none were named
    (b"x", "no-such-codec", "x"),
    ("Ж".encode("koi8-r"), "koi8-r", "Ж"),
])
def test_the_named_codec_then_utf_8_then_gb18030(line: bytes, encoding: str, text: str) -> None:
    assert decode(line, encoding) == text
    assert decode_all([b"a", line], encoding) == ["a", text]
