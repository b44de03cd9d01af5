"""What services are handed: stores opened once, names, scopes, and what the journal holds beyond the marks."""

from __future__ import annotations

from pathlib import Path

import pytest

from casework.services import Backlog, Conflict, NotFound, Services, Stores, told_of_others, within
from soc_core.access import EVERYTHING, Actor, Role, Scope
from soc_core.config import load
from soc_core.journal.files import FileJournal
from soc_core.models import DEMO, REAL
from soc_core.protocols import Origin, Raws
from soc_core.state import commits
from soc_core.state.database import Database
from tests.soc_ui.prepared import EDU, POLICE


class Store:
    """A store that counts how often it was closed."""

    def __init__(self, realm: str) -> None:
        self.realm, self.closed = realm, 0

    def close(self) -> None:
        self.closed += 1


def test_a_store_is_opened_once_and_none_where_nothing_was_stored(tmp_path: Path) -> None:
    settings = load(tmp_path)
    made: list[Store] = []

    def open_(realm: str) -> Store:
        made.append(Store(realm))
        return made[-1]

    stores = Stores(settings, open_)  # type: ignore[arg-type]  # of a store what is asked here
    assert stores.get(REAL) is None
    settings.events(REAL).mkdir(parents=True)
    assert stores.get(DEMO) is None
    assert stores.realms() == [REAL]
    first = stores.get(REAL)
    assert first is stores.get(REAL) is made[0]
    stores.close()
    assert [each.closed for each in made] == [1]
    assert stores.get(REAL) is not first  # opened anew, not the closed one
    stores.close()
    stores.close()
    assert [each.closed for each in made] == [1, 1]


def test_what_is_closed_closes_what_it_opened(services: Services) -> None:
    made = Store(REAL)
    services.stores._held[REAL] = made  # type: ignore[assignment]  # of a store what is asked here
    services.close()
    assert made.closed == 1


def test_names_and_scopes_follow_the_city(services: Services) -> None:
    assert services.organisation_name(EDU) == services.inventory.organisations[EDU].name != EDU
    system = next(iter(services.inventory.systems))
    assert services.system_name(system) == services.inventory.systems[system].name
    assert [services.organisation_name(""), services.organisation_name("gone")] == ["", "gone"]
    assert [services.system_name(""), services.system_name("gone")] == ["", "gone"]
    assert services.scope_of("") == EVERYTHING
    assert EDU in (services.scope_of(EDU).organisations or ())
    assert services.scope_of("gone") == Scope(frozenset())


def test_a_scope_is_narrowed_to_what_was_the_actors_already() -> None:
    agency = Actor("a", frozenset({Role.AGENCY_ADMIN}), Scope(frozenset({EDU, "below"})), EDU)
    assert within(agency, "below") == Scope(frozenset({"below"}))
    assert within(agency._replace(scope=EVERYTHING), POLICE) == Scope(frozenset({POLICE}))
    for other in (POLICE, ""):
        with pytest.raises(NotFound, match="no such organisation"):
            within(agency, other)


@pytest.mark.parametrize(("roles", "organisations", "told"), [
    ({Role.ANALYST}, {EDU}, True),
    ({Role.ANALYST, Role.AGENCY_ADMIN}, {EDU}, True),
    ({Role.ANALYST}, None, False),  # nothing is hidden from the whole city
    ({Role.ANALYST}, set(), False),
    ({Role.AGENCY_ADMIN}, {EDU}, False),
    ({Role.RED}, {EDU}, False),
])
def test_who_is_told_that_others_have_rows(roles: set[Role], organisations: set[str] | None, told: bool) -> None:
    scope = Scope(None if organisations is None else frozenset(organisations))
    assert told_of_others(Actor("a", frozenset(roles), scope)) is told


def test_the_backlog_is_what_no_worker_has_committed(tmp_path: Path) -> None:
    settings = load(tmp_path)
    database = Database(settings.state_url)
    database.migrate()
    backlog = Backlog(settings, database)
    assert backlog() == {}
    backlog.close()  # there is none to close
    journal = FileJournal(settings.journal, partitions=1)
    for source, realm in (("s", REAL), ("d", DEMO), ("s", REAL)):
        journal.append([Raws(Origin(source=source, realm=realm), [b"x", b"y"], 1)])
    assert backlog() == {("s", REAL): 4, ("d", DEMO): 2}
    with database.begin() as session:
        commits.advance(session, 0, 3, [], 0)
    assert backlog() == {("s", REAL): 2, ("d", DEMO): 1}
    journal.append([Raws(Origin(source="s"), [b"z"], 1)])  # seen by the journal that is open already
    assert backlog() == {("s", REAL): 3, ("d", DEMO): 1}
    backlog.close()
    journal.close()
    database.close()


def test_a_conflict_tells_how_it_stands_now() -> None:
    found = Conflict("somebody was first", {"version": 4})
    assert (str(found), found.current) == ("somebody was first", {"version": 4})
