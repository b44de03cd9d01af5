"""Comment lines that name the fields of the lines after them: Zeek's `#fields`, the W3C's `#Fields:`.

A batch is only a cut of a file, so what names its fields travels with it, in Origin.header.
"""

from __future__ import annotations

from collections.abc import Sequence

KEPT = frozenset((
    b"#separator", b"#set_separator", b"#empty_field", b"#unset_field", b"#path", b"#fields", b"#types",
    b"#Fields:", b"#Date:",
))
FIRST = (b"#separator", b"#Software:")  # here a new header begins
LONGEST = 16 << 10


class Header:
    """The header as of the last line fed; `text` is empty for files that do not begin with a comment."""

    def __init__(self) -> None:
        self.text = ""
        self._known: dict[bytes, bytes] = {}
        self._watch: bool | None = None

    def feed(self, lines: Sequence[bytes]) -> None:
        if self._watch is None and lines:
            self._watch = lines[0].removeprefix(b"\xef\xbb\xbf")[:1] == b"#"
        if not self._watch:
            return
        comments = [line for line in lines if line[:1] == b"#"]
        for line in comments:
            key = line.rstrip(b"\r\n").replace(b"\t", b" ").partition(b" ")[0]
            if key in FIRST:
                self._known.clear()
            if key in KEPT:
                self._known[key] = line.rstrip(b"\r\n")
        if comments:
            self.text = b"\n".join(self._known.values())[:LONGEST].decode("utf-8", "replace")
