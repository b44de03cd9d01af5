"""Bytes as received → text, without losing or inventing anything; and one text of two languages."""

from __future__ import annotations

from collections.abc import Iterable


def both(chinese: str, english: str) -> str:
    """What a rule says in two languages, Chinese first; one of them where there is no other."""
    return f"{chinese} / {english}" if chinese and english else chinese or english


def decode(line: bytes, encoding: str = "") -> str:
    """Text of a record: the named codec, else UTF-8, else GB18030; what is neither keeps its bytes as \\xNN."""
    for codec in (encoding, "utf-8", "gb18030") if encoding else ("utf-8", "gb18030"):
        try:
            return line.decode(codec)
        except (UnicodeDecodeError, LookupError):
            continue
    return line.decode("utf-8", "backslashreplace")


def decode_all(lines: Iterable[bytes], encoding: str = "") -> list[str]:
    """`decode` over many lines: nearly all are plain UTF-8, so that is tried on the whole first."""
    listed = list(lines)
    if not encoding:
        try:
            return [line.decode() for line in listed]
        except UnicodeDecodeError:
            pass
    return [decode(line, encoding) for line in listed]
