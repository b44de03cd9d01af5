"""A prepared data directory and its services, as fixtures that a folder's conftest.py imports."""


from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from casework.services import Services, open_services
from soc_core.state import users
from tests.soc_ui.prepared import Prepared, prepare


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """The right cost of a password is a tenth of a second; a hundred logins of a test must not cost ten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("data"), Path(__file__).resolve().parents[1] / "cities" / "changsha")


@pytest.fixture(scope="session")
def services(prepared: Prepared) -> Iterator[Services]:
    opened = open_services(prepared.settings)
    yield opened
    opened.close()
