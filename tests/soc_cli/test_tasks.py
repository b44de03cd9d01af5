"""What happens by the clock may end in a worker that goes on: another one has that lane now."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from soc_cli.tasks import Tasks
from soc_cli.wiring import Platform
from soc_core import clock, engines
from soc_core.access import EVERYTHING
from soc_core.config import Events, Settings
from soc_core.models import DEMO, REAL
from soc_core.protocols import Query
from soc_core.state.database import Database
from soc_core.store.elastic_settings import ElasticSettings
from tests.soc_core.store.events import batch, plain


def test_the_stores_stay_open_when_the_tasks_go_to_another_worker(tmp_path: Path) -> None:
    with Platform(Settings(data=tmp_path)) as platform:
        platform.store(REAL).write(batch(plain(3)))
        tasks = Tasks(platform)
        seen = tasks.services.stores.get(REAL)
        assert seen is not None
        assert seen.search(Query(), EVERYTHING).total == 3
        tasks.close()
        platform.store(REAL).write(batch(plain(2, first=3)))
        assert platform.store(REAL).search(Query(), EVERYTHING).total == 5


@pytest.mark.parametrize(("settings", "days"), [
    (Settings(), 190),
    (Settings(events=Events(elastic=ElasticSettings(urls=["http://h"], retention={"standard": 400}))), 400),
], ids=["embedded", "elastic"])
def test_events_stay_as_long_as_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings,
                                                 days: int) -> None:
    """The cluster's own retention was named in soc.yaml, and then 190 days were taken."""
    asked: dict[str, int] = {}

    def store(realm: str) -> SimpleNamespace:
        return SimpleNamespace(expire=lambda before, held: asked.setdefault(realm, before) * 0)

    monkeypatch.setattr(engines, "realms", lambda settings: [REAL, DEMO])
    tasks = Tasks.__new__(Tasks)
    tasks.platform = SimpleNamespace(  # type: ignore[assignment]
        settings=settings, state=Database(f"sqlite:///{tmp_path / 's.db'}"), store=store)
    tasks.platform.state.migrate()
    tasks.projector = None
    began = clock.now()
    tasks.prune()
    tasks.platform.state.close()
    since = {realm: round((began - before) / clock.DAY) for realm, before in asked.items()}
    assert since == {REAL: days, DEMO: 2}
