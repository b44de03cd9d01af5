"""What happens by the clock may end in a worker that goes on: another one has that lane now."""

from __future__ import annotations

from pathlib import Path

from soc_cli.tasks import Tasks
from soc_cli.wiring import Platform
from soc_core.access import EVERYTHING
from soc_core.config import Settings
from soc_core.models import REAL
from soc_core.protocols import Query
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
