"""Unicode simple case folding: one character for one, so that lengths and wildcards keep their meaning.

Sigma compares without case; full folding (ß → ss) would let one `?` stand for two characters.
https://www.unicode.org/Public/UCD/latest/ucd/CaseFolding.txt, statuses C and S.
"""

from __future__ import annotations

import re

LAST_CASED = 0x1E944


def _simple(char: str) -> str:
    full = char.casefold()
    if len(full) == 1:
        return full
    lower = char.lower()
    return lower if len(lower) == 1 else char


def _table() -> dict[int, str]:
    pairs = ((code, _simple(chr(code))) for code in range(LAST_CASED) if not 0xD800 <= code <= 0xDFFF)
    return {code: folded for code, folded in pairs if folded != chr(code)}


TABLE = _table()
# Characters that str.lower does not fold so: its final sigma looks around, its İ becomes two, its ẞ ends elsewhere.
ODD = re.compile("[" + "".join(
    re.escape(chr(code)) for code in range(0x80, LAST_CASED)
    if not 0xD800 <= code <= 0xDFFF and (chr(code).lower() != TABLE.get(code, chr(code)) or chr(code) == "Σ")
) + "]")


def fold(text: str) -> str:
    """The text with every character folded by itself; same length as before."""
    return text.lower() if text.isascii() or ODD.search(text) is None else text.translate(TABLE)
