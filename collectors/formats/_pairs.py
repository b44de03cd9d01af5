"""Texts of `name=value` pairs to records, in time linear in their length.

Quoted values end at the first quote that no backslash stands before. A name met twice keeps its first value, and an
address under it is not to be trusted: one of the two may come from whoever wrote the value before it.
"""

from __future__ import annotations

import re

from collectors.formats._json import Record

TOKEN = re.compile(r'([A-Za-z_][\w.\-]*)="((?:[^"\\]|\\.)*)"|([A-Za-z_][\w.\-]*)=([^\s"]*)|(\S+)', re.ASCII | re.DOTALL)
ESCAPED = re.compile(r"\\([\"\\=|])")
AGAIN = "repeated"


def spaced(text: str) -> Record:
    """`a=1 b="two words"`: pairs parted by white space. Stray words belong to the unquoted value before them."""
    found: Record = {}
    words: dict[str, list[str]] = {}
    last = "text"
    for quoted, value, bare, plain, word in TOKEN.findall(text):
        if quoted:
            last = "text"
            put(found, quoted, ESCAPED.sub(r"\1", value) if "\\" in value else value)
        elif bare:
            last = bare if bare not in found else "text"
            put(found, bare, plain.rstrip(","))
        elif word not in (",", ";"):
            words.setdefault(last, []).append(word)
    for name, more in words.items():
        found[name] = " ".join([*([found[name]] if name in found else []), *more]).rstrip(",")
    return found


def put(found: Record, name: str, value: str) -> None:
    """A value under its name; further different values of one name are kept together beside."""
    if name not in found:
        found[name] = value
    elif found[name] != value:
        found.setdefault(AGAIN, {}).setdefault(name, []).append(value)


def doubted(found: Record, addresses: frozenset[str]) -> Record:
    """The record without addresses that it names twice, which go to what is repeated."""
    for name in addresses.intersection(found.get(AGAIN, ())):
        found[AGAIN][name].insert(0, found.pop(name))
    return found
