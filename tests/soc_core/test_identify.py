"""Identity, receipt and times of events, whatever the record says of them itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from collectors.parse import parse
from soc_core import clock
from soc_core.identify import identify, records
from soc_core.protocols import Frame, Origin, Raws

RECEIVED = clock.from_text("2026-11-23T01:00:00Z")
TIME = "2026-11-22T10:00:00Z"


def event(**fields: Any) -> dict[str, Any]:
    """The event that one ECS document becomes."""
    line = orjson.dumps({"@timestamp": TIME, "ecs": {"version": "9.4"}, "event": {"kind": "event"}} | fields)
    frame = Frame(0, 0, Raws(Origin(source="test", format="ecs"), [line], RECEIVED))
    batch, _ = identify(parse([frame]), records([frame], "epoch"))
    row: dict[str, Any] = batch.frame().row(0, named=True)
    return row


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 10**18, -(10**18), -(2**63)])
def test_a_time_that_no_calendar_has_is_none(stamp: object) -> None:
    row = event(**{"@timestamp": stamp, "event.end": stamp, "message": "kept"})
    assert clock.from_datetime(row["@timestamp"]) == RECEIVED
    assert row.get("event.end") is None
    assert row["message"] == "kept"


@pytest.mark.parametrize("stamp", ["0002-01-01T00:00:00Z", "1601-01-01T00:00:00Z", "9998-12-31T23:59:59Z"])
def test_an_odd_time_is_the_records_own(stamp: str) -> None:
    assert clock.from_datetime(event(**{"@timestamp": stamp})["@timestamp"]) == clock.from_text(stamp)


def test_a_record_cannot_name_its_own_identity_and_receipt() -> None:
    told = {"event.id": "f" * 32, "event.ingested": "2000-01-01T00:00:00Z", "event.original": "other",
            "soc.source": "other", "soc.realm": "demo", "soc.zone": "other", "soc.peer": "192.0.2.1",
            "soc.partition": 9, "soc.offset": 9, "sigma.logsource": ["windows//security"]}
    nested = {"soc": {"source": "other", "realm": "demo", "zone": "other", "peer": "192.0.2.1"},
              "sigma": {"logsource": "windows//security"}}
    own = event()
    for spoofed in (event(**told), event(**nested)):
        changed = {name for name in own | spoofed if own.get(name) != spoofed.get(name)}
        assert changed <= {"event.original", "overflow"}
        assert "demo" in spoofed["event.original"]


def test_positions_count_within_their_series() -> None:
    """Two requests of one source under two idempotency keys, and the first of them again."""
    made = []
    for series in ("batch-7", "batch-8", "batch-7"):
        origin = Origin(source="http:gate", format="text", series=series)
        frame = Frame(0, 0, Raws(origin, [b"one", b"two"], RECEIVED, np.arange(2)))
        batch, _ = identify(parse([frame]), records([frame], "epoch"))
        assert set(batch.column("soc.source").to_list()) == {"http:gate"}
        made.append(batch.column("event.id").to_list())
    assert made[0] == made[2]
    assert len({*made[0], *made[1]}) == 4
