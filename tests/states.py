"""The state database for tests: every test that takes `database` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from soc_core.state.database import Database
from tests.servers.postgres import postgres


@cache
def _template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="soc-state-")) / "state.db"
    made = Database(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a migrated, empty state database."""
    if request.param == "sqlite":
        path = tmp_path / "state.db"
        shutil.copy(_template(), path)
        yield f"sqlite:///{path}"
    else:
        with postgres().database() as url:
            yield url


@pytest.fixture
def database(state_url: str) -> Iterator[Database]:
    """A migrated, empty state database."""
    opened = Database(state_url)
    yield opened
    opened.close()
