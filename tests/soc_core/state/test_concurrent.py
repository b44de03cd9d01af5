"""Many analysts and triage at once on one alert: nobody's decision is lost, nobody's is made on what was not seen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise

from sqlalchemy import select

from detections.triage import apply
from soc_core.access import EVERYTHING
from soc_core.clock import SECOND
from soc_core.models import Finding
from soc_core.state import alerts
from soc_core.state.alerts import Conflict
from soc_core.state.database import Database
from soc_core.state.tables import AlertChangeRow

ANALYSTS, TURNS = 4, 8


def finding(n: int) -> Finding:
    return Finding("rule", f"{n:032x}", n * SECOND, "high", "guessing", (("source.ip", "192.0.2.7"),),
                   (("source.ip", "192.0.2.7"),), (), "", "", "real", 0, n)


def together(works: list[Callable[[], None]]) -> None:
    """Run all of them at the same time; what one of them raises is raised."""
    trouble: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            trouble.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]


def test_no_update_is_lost(state_url: str, database: Database) -> None:
    with database.begin() as session:
        (alert,) = apply(session, [finding(0)], 0).raised
    done, refused = [], []

    def analyst(name: str) -> None:
        own = Database(state_url)
        for turn in range(TURNS):
            while True:
                with own.read() as session:
                    seen = alerts.find(session, EVERYTHING)[0][0]
                with own.begin() as session:
                    answer = alerts.assign(session, alert, seen.version, name, f"{name}-{turn}")
                if isinstance(answer, Conflict):
                    refused.append(answer)
                    continue
                done.append((seen.assignee, f"{name}-{turn}"))
                break
        own.close()

    def triage() -> None:
        own = Database(state_url)
        for n in range(1, ANALYSTS * TURNS):
            with own.begin() as session:
                apply(session, [finding(n)], n)
        own.close()

    together([*(lambda name=name: analyst(name) for name in "abcd"), triage])
    with database.read() as session:
        (row,) = alerts.find(session, EVERYTHING)[0]
        rows = session.scalars(select(AlertChangeRow).where(AlertChangeRow.field == "assignee")
                               .order_by(AlertChangeRow.id))
        changes = [(change.before, change.after) for change in rows]
    assert (row.version, row.count) == (1 + ANALYSTS * TURNS, ANALYSTS * TURNS)
    assert sorted(changes) == sorted(done)  # each was made on what its analyst had seen
    assert all(first[1] == second[0] for first, second in pairwise(changes))
    assert row.assignee == changes[-1][1]
    assert refused  # else nothing was concurrent
