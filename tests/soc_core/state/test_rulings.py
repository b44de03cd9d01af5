"""The report of the rules stands once; counts of exceptions add up."""

from __future__ import annotations

from soc_core.state import rulings
from soc_core.state.database import Database


def test_the_last_report_is_the_report(database: Database) -> None:
    with database.begin() as session:
        assert rulings.report(session) == {}
        rulings.note(session, {"rules": 3, "failed": [{"path": "一.yml", "line": 4}]})
        rulings.note(session, {"rules": 4})
    with database.read() as session:
        assert rulings.report(session) == {"rules": 4}


def test_suppressions_add_up_by_exception(database: Database) -> None:
    with database.begin() as session:
        assert rulings.suppressed(session) == {}
        rulings.suppress(session, {"a.yml:2": 3, "a.yml:9": 1})
        rulings.suppress(session, {"a.yml:2": 4})
        rulings.note(session, {"rules": 1})  # lies in the same table and is no exception
    with database.read() as session:
        assert rulings.suppressed(session) == {"a.yml:2": 7, "a.yml:9": 1}
