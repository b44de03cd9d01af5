"""A million alerts and fifty analysts at once on PostgreSQL: how long the queue takes, and whether an update is lost.

Each analyst looks at the queue every PAUSE seconds, as the console does, in his own scope (the city or a district) and
view, and after every other look judges or takes an alert of the page that he sees: so do the others, on the same page.
Half of the processes' time is this machine's to give; the server runs on it, too. SOC_BENCH_ALERTS sets another number.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select, text

from bench.walks import services_over
from casework import alerts
from casework.services import Conflict
from soc_core import audit
from soc_core.access import EVERYTHING, Actor, Role, Scope
from soc_core.inventory import load
from soc_core.state.alerts import Filter
from soc_core.state.database import Database
from soc_core.state.tables import AlertChangeRow, AlertRow, AuditRow
from tests.servers.postgres import server

ALERTS = int(os.environ.get("SOC_BENCH_ALERTS") or 1_000_000)
SECONDS = float(os.environ.get("SOC_BENCH_SECONDS") or 60)
ANALYSTS, PROCESSES, PAUSE = 50, 5, 2.0
VIEWS = (Filter(status="waiting"), Filter(status="waiting", level="high"), Filter(status="waiting", realm="real"),
         Filter(status="waiting", text="rule 7"), Filter(status="closed"), Filter())
SHARES = (0.55, 0.15, 0.15, 0.05, 0.05, 0.05)  # of the looks
FILL = """
INSERT INTO alerts (id, episode, rule_id, title, level, severity, count, first_seen, last_seen, raised, "group",
  entities, entities_cut, events, organisation, system, techniques, risk, realm, explanation, incident, marks, search,
  status, verdict, assignee, version, priority, due, step)
SELECT lpad(to_hex(n), 32, '0'), lpad(to_hex(n), 32, '0'), 'rule-' || n % 300, 'title of rule ' || n % 300,
  (ARRAY['informational', 'low', 'medium', 'high', 'critical'])[s + 1], s, 1 + n % 90, t, t + 60000000, t + 1000000,
  '{}', json_build_object('source.ip', json_build_array('203.0.113.' || n % 250), 'host.name',
  json_build_array('host-' || n % 9000)), 0, json_build_array(md5(n::text), md5((n + 1)::text)),
  (CAST(:owners AS text[]))[1 + (n * 7919) % :owned], 'system-' || n % 2600, '["T1110"]', s * 20 + n % 20, 'real',
  repeat('why ', 20), '', '{"0": 1}', 'title of rule ' || n % 300 || ' 203.0.113.' || n % 250,
  CASE WHEN n % 10 < 6 THEN 'closed' WHEN n % 10 < 7 THEN 'open' ELSE 'new' END,
  CASE WHEN n % 10 < 6 THEN 'false' ELSE '' END, '', 1, (s * 20 + n % 20) * 4, t, NULL
FROM (SELECT n, (n * 31) % 5 AS s, 1790000000000000 + n * 3000000 AS t FROM generate_series(CAST(:low AS bigint),
  CAST(:high AS bigint)) AS n) AS made
"""


def fill(url: str, count: int, owners: Sequence[str]) -> None:
    """So many alerts of all agencies, two fifths of them waiting."""
    database = Database(url)
    for low in range(1, count + 1, 100_000):
        with database.begin() as session:
            session.execute(text(FILL), {"low": low, "high": min(low + 99_999, count), "owners": list(owners),
                                         "owned": len(owners)})
    with database._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE alerts"))  # what the server does by itself before long
    database.close()


class Analyst(threading.Thread):
    """One person: what his looks took (seconds of the wall clock), and what became of his changes."""

    def __init__(self, services: Any, number: int, scope: Scope, seconds: float, pause: float) -> None:
        super().__init__(daemon=True)
        self.services, self.seconds, self.pause = services, seconds, pause
        self.rng = np.random.default_rng([number, 9])
        self.actor = Actor(f"analyst-{number}", frozenset({Role.ANALYST}), scope)
        self.looks: list[float] = []
        self.changes: list[float] = []
        self.done: Counter[str] = Counter()
        self.error = ""

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # told to whoever started the thread
            self.error = f"{type(error).__name__}: {error}"

    def work(self) -> None:
        until = time.monotonic() + self.seconds
        time.sleep(float(self.rng.random()) * self.pause)
        while time.monotonic() < until:
            began = time.monotonic()
            wanted = VIEWS[int(self.rng.choice(len(VIEWS), p=SHARES))]
            rows = alerts.queue(self.actor, self.services, wanted, limit=50).rows
            self.looks.append(time.monotonic() - began)
            if rows and self.rng.random() < 0.5:
                self.judge(rows[int(self.rng.integers(0, len(rows)))])
            time.sleep(max(0.0, began + self.pause - time.monotonic()))

    def judge(self, row: alerts.Row) -> None:
        op: Any = "verdict" if self.rng.random() < 0.8 else "assign"
        value = ("true", "false", "benign")[int(self.rng.integers(0, 3))] if op == "verdict" else ""
        began = time.monotonic()
        answer, = alerts.change(self.actor, self.services, op, value, [(row.alert.id, row.alert.version)])
        self.changes.append(time.monotonic() - began)
        self.done["conflict" if isinstance(answer, Conflict) else "done"] += 1


def office(url: str, numbers: Sequence[int], folder: str, seconds: float, pause: float, back: Connection) -> None:
    """A process with some analysts, as one of the API's would be."""
    services = services_over(url, Path(folder))
    scopes = [EVERYTHING, *(services.inventory.scope_of(each) for each in districts(services.inventory))]
    team = [Analyst(services, n, scopes[0] if n % 5 < 3 else scopes[1 + n % (len(scopes) - 1)], seconds, pause)
            for n in numbers]
    alerts.queue(team[0].actor, services, VIEWS[0])
    back.send("ready")
    back.recv()
    used = resource.getrusage(resource.RUSAGE_SELF)
    for each in team:
        each.start()
    for each in team:
        each.join()
    spent = resource.getrusage(resource.RUSAGE_SELF)
    done = sum((each.done for each in team), Counter[str]())
    back.send(([x for each in team for x in each.looks], [x for each in team for x in each.changes], dict(done),
               [each.error for each in team if each.error],
               spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime))
    services.close()


def districts(inventory: Any) -> list[str]:
    """Ids of organisations with many below them."""
    return [each for each in sorted(inventory.organisations)
            if 50 <= len(inventory.scope_of(each).organisations or ()) <= 1500][:20]


def run(url: str, folder: str, seconds: float, analysts: int = ANALYSTS, processes: int = PROCESSES,
        pause: float = PAUSE) -> dict[str, Any]:
    """All analysts at once. Returns latencies, counts and what is lost (which must be nothing)."""
    start = multiprocessing.get_context("spawn")
    offices = []
    for number in range(processes):
        ours, theirs = start.Pipe()
        process = start.Process(target=office, args=(url, range(number, analysts, processes), folder, seconds, pause,
                                                     theirs))
        process.start()
        offices.append((process, ours))
    for _, pipe in offices:
        pipe.recv()
    for _, pipe in offices:
        pipe.send("go")
    answers = [pipe.recv() for _, pipe in offices]
    for process, _ in offices:
        process.join()
    looks, changes = (np.array([x for each in answers for x in each[at]]) for at in (0, 1))
    done = sum((Counter(each[2]) for each in answers), Counter[str]())
    return {"looks": looks, "changes": changes, "done": done["done"], "conflicts": done["conflict"],
            "errors": [x for each in answers for x in each[3]], "cpu": sum(each[4] for each in answers),
            "lost": lost(url, done["done"])}


def lost(url: str, done: int) -> int:
    """Accepted changes that are not in versions, in histories or in the audit chain."""
    database = Database(url)
    with database.read() as session:
        versions = int(session.scalar(select(func.sum(AlertRow.version - 1))) or 0)
        made = AuditRow.action.startswith("alert.")
        entries = session.scalar(select(func.count()).select_from(AuditRow).where(made)) or 0
        told = session.scalar(select(func.count(func.distinct(AlertChangeRow.alert)))) or 0
        touched = session.scalar(select(func.count()).select_from(AlertRow).where(AlertRow.version > 1)) or 0
        whole = audit.verify(session) is None
    database.close()
    return abs(done - versions) + abs(done - entries) + max(0, told - touched) + (0 if whole else 1)


def figures() -> list[dict[str, Any]]:
    """The figures; none where there is no PostgreSQL."""
    from soc_core.config import Settings

    running = server()
    if isinstance(running, str):
        return []
    owners = sorted(load(Settings().city).organisations)
    with running.new_database() as url:
        made = Database(url)
        made.migrate()
        made.close()
        fill(url, ALERTS, owners)
        found = run(url, str(running.folder), SECONDS)
    if found["errors"]:
        raise RuntimeError(f"analysts failed: {found['errors'][:3]}")
    p95 = float(np.percentile(found["looks"], 95)) * 1e3
    return [
        {"name": f"Queue: a page, {ALERTS:,} alerts, {ANALYSTS} analysts, p95", "value": round(p95, 1), "unit": "ms",
         "target": "≤ 300 ms", "met": p95 <= 300},
        {"name": "Queue: a page, median", "value": round(float(np.median(found["looks"])) * 1e3, 1), "unit": "ms"},
        {"name": "Queue: a judgement with its audit entry, p95", "unit": "ms",
         "value": round(float(np.percentile(found["changes"], 95)) * 1e3, 1)},
        {"name": "Queue: pages read", "value": len(found["looks"]), "unit": "pages"},
        {"name": "Queue: updates accepted", "value": found["done"], "unit": "updates"},
        {"name": "Queue: updates refused as too late", "value": found["conflicts"], "unit": "updates"},
        {"name": "Queue: updates lost", "value": found["lost"], "unit": "updates", "target": "0",
         "met": found["lost"] == 0},
        {"name": "Queue: services' CPU a page", "value": round(found["cpu"] / len(found["looks"]) * 1e3, 2),
         "unit": "ms CPU"},
    ]


if __name__ == "__main__":
    for each in figures():
        print(each)
