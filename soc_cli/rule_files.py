"""The files that rules are read from, and whether they have changed since the worker on this data read them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from soc_core.config import Settings

LOOK = 2.0  # seconds between two looks
ENDINGS = (".yml", ".yaml")


def mark(settings: Settings) -> str:
    """Another one whenever a rule, or what the site makes of rules, has changed. Some milliseconds for thousands."""
    folders = {*settings.rules, settings.data / "rules", settings.tuning, settings.mapping}
    found = sorted(each for folder in folders for each in _files(folder))
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Path, time and size of each file of rules; nothing of a folder that is not there."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(ENDINGS):
                path = os.path.join(place, name)
                try:
                    about = os.stat(path)
                except FileNotFoundError:
                    continue  # taken away meanwhile: the next look tells
                yield path, about.st_mtime_ns, about.st_size


def read(settings: Settings) -> str:
    """The mark of what the worker on this data works with; "" before any did."""
    place = _place(settings)
    return place.read_text(encoding="utf-8") if place.exists() else ""


def wait(settings: Settings, seconds: float) -> None:
    """Until the running worker has read the rules as they are now; at most so long."""
    until, wanted = time.monotonic() + seconds, mark(settings)
    while read(settings) not in ("", wanted) and time.monotonic() < until:
        time.sleep(0.1)


class Watch:
    """Made before the rules are read. `changed` is to be asked often; it looks every two seconds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._first = self._last = mark(settings)
        self._due = time.monotonic() + LOOK

    def note(self) -> None:
        """Tell others that a worker works with these."""
        place = _place(self._settings)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_suffix(".new")
        draft.write_text(self._first, encoding="utf-8")
        os.replace(draft, place)

    def end(self) -> None:
        """Nobody works with them any more."""
        _place(self._settings).unlink(missing_ok=True)

    def changed(self) -> bool:
        """Whether they are others than at first, and nobody was still writing between the last two looks."""
        if time.monotonic() < self._due:
            return False
        before, self._last = self._last, mark(self._settings)
        self._due = time.monotonic() + LOOK
        return self._first != self._last == before


def _place(settings: Settings) -> Path:
    return settings.data / "run" / "rules"
