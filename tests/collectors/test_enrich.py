"""Whose event is it: the order of evidence, and that nothing in an event can claim another owner."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collectors.enrich import Enricher
from soc_core import inventory
from soc_core.events import EventBatch
from tests.soc_core.test_inventory import CITY, HOSTS, NETWORKS, ORGANISATIONS, SYSTEMS

WHEN = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def enricher(tmp_path: Path) -> Enricher:
    for name, text in (("city.yml", CITY), ("organisations.csv", ORGANISATIONS), ("systems.yml", SYSTEMS),
                       ("networks.csv", NETWORKS), ("hosts.csv", HOSTS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return Enricher(inventory.load(tmp_path))


def judged(enricher: Enricher, *rows: dict[str, Any]) -> list[tuple[str | None, str | None]]:
    made = enricher.enrich(EventBatch.from_dicts([{"@timestamp": WHEN, "soc.zone": "city"} | row for row in rows]))
    return list(zip(made.column("organization.id").to_list(), made.column("soc.system.id").to_list(), strict=True))


def test_order_of_evidence(enricher: Enricher) -> None:
    assert judged(
        enricher,
        {"host.name": "web-01", "soc.peer": "10.9.9.9"},
        {"host.name": "stranger", "soc.peer": "10.9.9.9"},
        {"host.name": "stranger", "soc.peer": "127.0.0.1", "host.ip": ["192.0.2.1", "10.1.2.9"]},
        {"host.name": None, "source.ip": "198.51.100.7", "destination.ip": "10.1.9.9"},
        {"host.name": None, "source.ip": "10.1.9.9", "destination.ip": "198.51.100.7"},
        {"host.name": None, "source.ip": "10.1.9.9", "destination.ip": "10.9.9.9"},
        {"host.name": None, "source.ip": "192.0.2.1", "destination.ip": "198.51.100.7"},
        {},
    ) == [("bureau", "portal"), ("root", None), ("bureau", "base"), ("bureau", "portal"), ("bureau", "portal"),
          (None, None), (None, None), (None, None)]


def test_zones_of_one_batch_are_judged_apart(enricher: Enricher) -> None:
    rows = [{"soc.peer": "10.1.2.3", "soc.zone": zone} for zone in ("city", "east", "city", "unheard")]
    assert [row[0] for row in judged(enricher, *rows)] == ["bureau", "village", "bureau", None]


def test_time_decides_row_by_row(enricher: Enricher) -> None:
    rows: list[dict[str, Any]] = [{"soc.peer": "10.1.2.3"},
                                  {"soc.peer": "10.1.2.3", "@timestamp": WHEN.replace(year=2025)}]
    assert judged(enricher, *rows) == [("bureau", "base"), ("village", None)]


def test_an_event_cannot_name_its_own_owner(enricher: Enricher) -> None:
    forged = {"organization.id": "root", "organization.name": "市政府", "soc.system.id": "base"}
    assert judged(enricher, forged | {"soc.peer": "192.0.2.1"}, forged | {"host.name": "web-01"}) == [
        (None, None), ("bureau", "portal")]


def test_batches_of_several_shapes(enricher: Enricher) -> None:
    shapes = [EventBatch.from_dicts([{"@timestamp": WHEN, "soc.zone": "city", **row}])
              for row in ({"host.name": "web-01"}, {"destination.ip": "10.9.9.9"}, {"message": "x"})]
    made = enricher.enrich(EventBatch.concat(shapes))
    assert made.column("organization.id").to_list() == ["bureau", "root", None]
    assert made.column("organization.name").to_list() == ["局", "市政府", None]
    assert made.height == 3
    assert made.column("message").to_list() == [None, None, "x"]


def test_an_empty_batch_passes(enricher: Enricher) -> None:
    assert enricher.enrich(EventBatch(0, [])).height == 0
