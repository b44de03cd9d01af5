"""An HTTP port as its tests use it: the source, and somebody who takes from it into a journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from collectors.sources._desk import Detect
from collectors.sources._inbox import Value, alike
from collectors.sources.http import HttpSource
from soc_core.journal.files import FileJournal
from soc_core.protocols import Raws

TOKEN = "s3cret-for-the-test"


def detect(sample: Sequence[bytes]) -> str:
    return "json" if sample[0].startswith(b"{") else "text"


class Door:
    """The source, with somebody who takes from it into a journal."""

    def __init__(self, folder: Path, detect: Detect = detect, value: Value = alike) -> None:
        self.source = HttpSource({"default": TOKEN, "other": "another"}, detect, zone="dmz", value=value)
        self.journal = FileJournal(folder, partitions=1)
        self.held = threading.Event()  # set: nothing is taken
        self.taken: list[Raws] = []
        self._ended = False
        self._thread = threading.Thread(target=self._take)
        self._thread.start()
        assert self.source.ready()
        self.base = f"http://127.0.0.1:{self.source.port}"
        self.url = f"{self.base}/ingest"

    def _take(self) -> None:
        while not self._ended:
            if self.held.is_set() or not (batch := self.source.next_batch())[0]:
                time.sleep(0.005)
                continue
            self.journal.append(batch[0])
            self.taken += batch[0]
            self.source.ack(batch[1])

    def post(self, body: bytes, query: str = "", token: str = TOKEN, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        headers = {"Authorization": f"Bearer {token}"} | given
        return httpx.post(self.url + query, content=body, headers=headers, timeout=20)

    def close(self) -> None:
        self.source.close()
        self._ended = True
        self._thread.join()
        self.journal.close()


def records(door: Door) -> dict[tuple[str, str], list[bytes]]:
    """What was taken, by source and format."""
    found: dict[tuple[str, str], list[bytes]] = {}
    for raws in door.taken:
        found.setdefault((raws.origin.source, raws.origin.format), []).extend(raws.lines)
    return found
