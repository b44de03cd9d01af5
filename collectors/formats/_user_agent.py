"""What a User-Agent text says of browser, system and device, by tables of patterns; the first that fits counts.

Only for people and counting: rules read user_agent.original, which stays verbatim. Names follow ua-parser
(https://github.com/ua-parser/uap-core), as ECS examples do.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import polars as pl

VERSION = r"(\d+(?:\.\d+){0,3})"
# pattern → name; "" means the first group is the name and the second the version
BROWSERS: tuple[tuple[re.Pattern[str], str], ...] = tuple((re.compile(pattern), name) for pattern, name in (
    (rf"([A-Za-z0-9_-]*(?:[Bb]ot|[Ss]pider|[Cc]rawler|Slurp|facebookexternalhit)[A-Za-z0-9_-]*)(?:[/ ]{VERSION})?", ""),
    (rf"^(curl|Wget|sqlmap|Nikto|masscan|zgrab|gobuster|Go-http-client|Java|okhttp|PostmanRuntime|axios|aiohttp)"
     rf"/v?{VERSION}", ""),
    (rf"^python-requests/{VERSION}", "Python Requests"), (rf"^Python-urllib/{VERSION}", "Python-urllib"),
    (rf"MicroMessenger/{VERSION}", "WeChat"), (rf"(?:Edge|Edg|EdgA|EdgiOS)/{VERSION}", "Edge"),
    (rf"OPR/{VERSION}", "Opera"),
    (rf"SamsungBrowser/{VERSION}", "Samsung Internet"), (rf"QQBrowser/{VERSION}", "QQ Browser"),
    (rf"UCBrowser/{VERSION}", "UC Browser"),
    (rf"CriOS/{VERSION}", "Chrome Mobile iOS"), (rf"Android.*Chrome/{VERSION} Mobile", "Chrome Mobile"),
    (rf"HeadlessChrome/{VERSION}", "HeadlessChrome"), (rf"Chrome/{VERSION}", "Chrome"),
    (rf"Mobile.*Firefox/{VERSION}", "Firefox Mobile"), (rf"Firefox/{VERSION}", "Firefox"),
    (rf"(?:iPhone|iPad|iPod).*Version/{VERSION}.*Safari", "Mobile Safari"), (rf"Version/{VERSION}.*Safari", "Safari"),
    (rf"MSIE {VERSION}", "IE"), (rf"Trident/.*rv:{VERSION}", "IE"), (rf"Opera/{VERSION}", "Opera"),
))
WINDOWS = {"10.0": "10", "6.3": "8.1", "6.2": "8", "6.1": "7", "6.0": "Vista", "5.2": "XP", "5.1": "XP", "5.0": "2000"}
SYSTEMS: tuple[tuple[re.Pattern[str], str], ...] = tuple((re.compile(pattern), name) for pattern, name in (
    (r"Windows NT (\d+\.\d+)", "Windows"), (r"(?:iPhone|CPU|iPad).* OS (\d+(?:_\d+)*) like Mac OS X", "iOS"),
    (r"Mac OS X (\d+(?:[._]\d+)*)", "Mac OS X"), (rf"Android(?: {VERSION})?", "Android"),
    (rf"HarmonyOS(?: {VERSION})?", "HarmonyOS"),
    (r"CrOS \S+ (\d+(?:\.\d+)*)", "Chrome OS"), (r"Ubuntu()", "Ubuntu"), (r"Linux()", "Linux"),
))
DEVICES = ("iPhone", "iPad", "iPod")


class Agent(NamedTuple):
    """The parts; "" where the text does not say."""

    name: str
    version: str
    system: str
    release: str
    device: str


@lru_cache(maxsize=65536)
def read(text: str) -> Agent:
    """The parts of one User-Agent text; browser and device are "Other" when no pattern fits."""
    name, version = "Other", ""
    for pattern, known in BROWSERS:
        found = pattern.search(text)
        if found:
            name, version = (known, found[1]) if known else (found[1], found[2] or "")
            break
    system = release = ""
    for pattern, known in SYSTEMS:
        found = pattern.search(text)
        if found:
            system, release = known, (found[1] or "").replace("_", ".")
            break
    if system == "Windows":
        release = WINDOWS.get(release, release)
    device = next((one for one in DEVICES if one in text), "")
    if BROWSERS[0][0].search(text):
        device = "Spider"
    elif not device:
        device = {"Mac OS X": "Mac", "Android": "Generic Smartphone"}.get(system, "Other")
    return Agent(name, version, system, release, device)


def columns(original: pl.Series) -> list[pl.Series]:
    """user_agent.* columns for a column of texts; each distinct text is read once."""
    places: dict[str | None, int | None] = {None: None}
    codes = [places.setdefault(text, len(places) - 1) for text in original.to_list()]
    agents = [read(text) for text in places if text is not None]
    where = pl.Series(codes, dtype=pl.UInt32)
    made: dict[str, list[str | None]] = {
        "user_agent.name": [agent.name for agent in agents],
        "user_agent.version": [agent.version or None for agent in agents],
        "user_agent.os.name": [agent.system or None for agent in agents],
        "user_agent.os.version": [agent.release or None for agent in agents],
        "user_agent.os.full": [f"{agent.system} {agent.release}" if agent.release else None for agent in agents],
        "user_agent.device.name": [agent.device for agent in agents],
    }
    return [pl.Series(name, values, dtype=pl.String).gather(where) for name, values in made.items()]
