"""Invented words that sound like words: syllables of onset, vowel and coda as European languages and pinyin build them.

A generator of ordinary text that knew only a list of words would teach a model the list.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from soc_core import documents

_PATH = Path(__file__).with_name("words.yml")
_RAW: dict[str, Any] = documents.load(_PATH.read_text(encoding="utf-8"), _PATH)


def words(name: str) -> list[str]:
    """A list of words.yml."""
    found = _RAW[name]
    return found.split() if isinstance(found, str) else list(found)


_ONSETS, _VOWELS, _CODAS, _ENDS = (words(name) for name in ("onsets", "vowels", "codas", "ends"))


def word(rng: random.Random, most: int = 3) -> str:
    """One word of up to `most` syllables."""
    made = ""
    for _ in range(rng.randint(1, most)):
        made += rng.choice(_ONSETS) if rng.random() < 0.9 else ""
        made += rng.choice(_VOWELS)
        made += rng.choice(_CODAS) if rng.random() < 0.35 else ""
    if rng.random() < 0.3:
        made += rng.choice(_ENDS)
    return made
