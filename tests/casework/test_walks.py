"""The small form of `./soc bench walks`: reseeded by date, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text, update

from bench.walks import Broken, Walk, services_over
from casework.services import Services
from soc_core.state.tables import AlertRow, IncidentRow

SEED = int(datetime.now(UTC).strftime("%Y%m%d"))


@pytest.fixture
def over(state_url: str, tmp_path: Path) -> Iterator[Services]:
    opened = services_over(state_url, tmp_path)
    yield opened
    opened.close()


def test_no_walk_breaks_anything(over: Services) -> None:
    walk = Walk(over, SEED)
    walk.run(400, looks=4)
    assert walk.changes > 40
    assert sum(number for name, number in walk.done.items() if name.endswith("Undrawn")) > 20


@pytest.mark.parametrize("spoil", [
    update(IncidentRow).values(status="eradicating"), update(AlertRow).values(count=AlertRow.count + 1),
    update(AlertRow).values(verdict="true"), update(AlertRow).values(incident="other"),
    text("UPDATE audit SET actor = 'x' WHERE id = 3"), text("UPDATE incident_links SET incident = 'x'"),
], ids=str)
def test_the_walk_notices_what_is_broken(over: Services, spoil: object) -> None:
    walk = Walk(over, 5)
    walk.run(120, looks=1)
    with over.database.begin() as session:
        session.execute(spoil)  # type: ignore[call-overload]
    with pytest.raises(Broken):
        walk.check()
