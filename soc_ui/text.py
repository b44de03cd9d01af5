"""Words on the screen: catalogues in locale/*.yml, numbers and times as console users read them."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from soc_core import clock, documents
from soc_core.clock import Micros

FOLDER = Path(__file__).with_name("locale")
LANGUAGES = {"zh": "zh_CN", "en": "en"}


@cache
def catalogue(language: str) -> dict[str, str]:
    """Dotted key → text of one language (`zh` or `en`)."""
    path = FOLDER / f"{LANGUAGES[language]}.yml"
    found: dict[str, str] = {}

    def walk(node: Any, at: str) -> None:
        if isinstance(node, dict):
            for key, below in node.items():
                walk(below, f"{at}.{key}" if at else str(key))
        else:
            found[at] = str(node)

    walk(documents.load(path.read_text(encoding="utf-8"), path), "")
    return found


def translate(language: str, key: str, **values: Any) -> str:
    """The text of a key with its {values} filled in. Raises KeyError on an unknown key (a test finds them all)."""
    text = catalogue(language)[key]
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def group(language: str, prefix: str) -> dict[str, str]:
    """Every text directly below a prefix, by its last word: what a component is handed."""
    start = prefix + "."
    return {key[len(start):]: text for key, text in catalogue(language).items() if key.startswith(start)}


def number(language: str, value: float | None) -> str:
    """12,345; from 100,000 up 12.3 万 in Chinese, 123.4K or 1.2M in English; a missing one is a dash, never 0."""
    if value is None:
        return "—"
    if abs(value) < 100_000:
        return f"{value:,.0f}"
    if language == "zh":
        return f"{value / 1e8:,.1f} 亿" if abs(value) >= 1e8 else f"{value / 1e4:,.1f} 万"
    return f"{value / 1e6:,.1f}M" if abs(value) >= 1e6 else f"{value / 1e3:,.1f}K"


def share(part: int, whole: int) -> str:
    """A ratio with its n: `96%（24/25）`; a dash without a whole."""
    return f"{100 * part / whole:.0f}%（{part:,}/{whole:,}）" if whole else "—"


def share_between(value: float, low: float, high: float) -> str:
    """A share with the interval that holds it: `83%（0.61–0.94）`."""
    return f"{value:.0%}（{low:.2f}–{high:.2f}）"


def time(at: Micros | None, zone: str) -> str:
    """`11-22 10:02:33` in the city's zone, with the year when it is not this one."""
    if not at:
        return "—"
    local = clock.to_datetime(at).astimezone(ZoneInfo(zone))
    this_year = datetime.now(ZoneInfo(zone)).year
    return local.strftime("%m-%d %H:%M:%S" if local.year == this_year else "%Y-%m-%d %H:%M:%S")


def span(language: str, length: Micros) -> str:
    """A length of time in its largest fitting unit: 40 秒, 5 分钟, 3 小时, 2 天."""
    seconds = max(0, length // clock.SECOND)
    for unit, size, limit in (("s", 1, 60), ("m", 60, 3600), ("h", 3600, 172_800), ("d", 86_400, None)):
        if limit is None or seconds < limit:
            return translate(language, f"span.{unit}", n=seconds // size)
    raise AssertionError("the last unit has no limit")


def age(language: str, at: Micros | None, now: Micros) -> str:
    """How long ago, in words; a dash when never."""
    return translate(language, "common.ago", span=span(language, now - at)) if at else "—"
