"""Entries of LEAF (mapping.py): values of any field as terms `path NUL mark text end`, in lower case.

    user.name␀␂root␀            a whole text: from its beginning (␂) to its end (␀)
    user.name␀␂aaaa…␁           a long text in overlapping pieces: this is the first,
    user.name␀␁aaaa…␀           this the last,
    user.name␁=9f86d0…          and this, which no pattern shall meet, stands for the whole of it
    source.ip␁#0000…0a000001    an address as a number

One keyword field so serves equality (term), patterns (wildcard) and ranges for every path there is, exactly as the
embedded store compares; the end mark sorts before every character, so terms sort as the texts do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from soc_core.store._polars import address_number
from soc_core.store.mapping import LONGEST

NUL, WHOLE, PART, HASH, NUMBER = "\0", "\x02", "\x01", "=", "#"
PIECE, OVERLAP = 6000, 1000  # characters; a pattern of up to OVERLAP lies within one piece
LONGEST_PATH = 1000
# What Lucene makes lower-case otherwise than we do: İ becomes two characters, Σ depends on its place, and letters
# that came into Unicode after version 13 are unknown to Java 17. A letter too many in this set does no harm.
ODD_LETTERS = "[İΣ\u1c89\u2c2f\ua7c0\ua7cb-\ua7dc\U00010570-\U00010595\U00010d50-\U00010d65\U00016ea0-\U00016eb8]"


def whole(path: str, text: str) -> str:
    """The one entry of a text that is not long; in lower case already."""
    return f"{path}{NUL}{WHOLE}{text}{NUL}"


def hashed(path: str, text: str) -> str:
    """The entry that stands for a whole long text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{path}{PART}{HASH}{digest}"


def numbered(path: str, number: int) -> str:
    """The entry of an address."""
    return f"{path}{PART}{NUMBER}{number:032x}"


def entries(path: str, value: str, address: bool = False) -> list[str]:
    """All entries of one value."""
    if len(path) > LONGEST_PATH:
        return []
    found: list[str] = []
    if address and (number := address_number(value)) is not None:
        found.append(numbered(path, number))
    text = value.lower()
    if len(text) <= PIECE:
        return [*found, whole(path, text)]
    found.append(hashed(path, text))
    for at in range(0, len(text) - OVERLAP, PIECE - OVERLAP):
        piece = text[at : at + PIECE]
        found.append(f"{path}{NUL}{PART if at else WHOLE}{piece}{PART if at + PIECE < len(text) else NUL}")
    return found


def written(path: str, value: str) -> str | None:
    """The entry for counting: the value as it is. None where it is too long for a term."""
    return f"{path}{NUL}{value}" if len(path) + len(value) < LONGEST and len(path) <= LONGEST_PATH else None


def equal(path: str, texts: Sequence[str]) -> list[str]:
    """The terms, one of which an event has if it holds one of the texts (lower case) at the path."""
    return [whole(path, text) if len(text) <= PIECE else hashed(path, text) for text in texts]
