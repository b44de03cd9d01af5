"""Prometheus metrics of every stage, from what the state database, the journal and the processes say of themselves.

`GET /metrics`, in the text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/): for callers on
this machine, or with the bearer token of somebody whose scope is the whole city. Counters of processes begin anew with
the process, as Prometheus expects; those of sources do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request
from sqlalchemy import func, select
from starlette.responses import PlainTextResponse, Response

from casework.services import Services
from soc_api.auth import Denied, Logins
from soc_core import clock, engines
from soc_core.access import EVERYTHING
from soc_core.models import DEMO, LEVELS, REAL
from soc_core.state import alerts, claims, collectors, commits, failures, quarantine, windows
from soc_core.state.claims import SHARED
from soc_core.state.collectors import Collector
from soc_core.state.tables import OutboxCursorRow, OutboxDeliveryRow, OutboxRow

PREFIX = "soc_"
MOST = 1000  # sources that are named; the others are one
BUDGET = 1e-4  # of what is received, so much may be lost before it is acknowledged (UDP) until somebody must act
FATES = ("received", "stored", "duplicate", "merged", "quarantined", "shed", "pending")
LOCAL = frozenset({"127.0.0.1", "::1"})
Labels = Mapping[str, str]


class Page:
    """Collects samples by metric; each is described once."""

    def __init__(self) -> None:
        self._metrics: dict[str, tuple[str, str, list[str]]] = {}

    def add(self, name: str, kind: str, about: str, value: float, **labels: str) -> None:
        """One sample. `kind` is counter or gauge."""
        _, _, lines = self._metrics.setdefault(name, (kind, about, []))
        named = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
        lines.append(f"{PREFIX}{name}{{{named}}} {number(value)}" if named else f"{PREFIX}{name} {number(value)}")

    def text(self) -> str:
        out = []
        for name, (kind, about, lines) in self._metrics.items():
            out += [f"# HELP {PREFIX}{name} {about}", f"# TYPE {PREFIX}{name} {kind}", *lines]
        return "\n".join(out) + "\n"


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def answer(request: Request) -> Response:
    """The page. Raises Denied."""
    admit(request)
    return PlainTextResponse(page(request.app.state.services).text(), media_type="text/plain; version=0.0.4")


def admit(request: Request) -> None:
    """From this machine and through no proxy, or with a token of the whole city."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    logins: Logins = request.app.state.logins
    if scheme.lower() == "bearer":
        who = logins.bearer(secret.strip())
        if who and not who.halted and who.actor.scope.organisations is None:
            return
        raise Denied("none", "this token does not open the metrics of the whole city")
    peer = request.client.host if request.client else ""
    if peer not in LOCAL or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        raise Denied("none", "metrics are for this machine, or for a bearer token of the whole city")


def page(services: Services) -> Page:
    """Everything, as of now."""
    made = Page()
    with services.database.read() as session:
        rows = commits.fates(session)
        workers = claims.listing(session)
        broken = failures.listing(session)
        raised = {realm: alerts.counts(session, EVERYTHING, realm) for realm in (REAL, DEMO)}
        held = quarantine.groups(session)
        pushed, gaps = windows.summary(session, 1), windows.waiting(session)
        outbox = _outbox(session)
        doors = collectors.listing(session)
    _sources(made, rows)
    _journal(made, services)
    for each in doors:
        _collector(made, each, clock.now())
    for known in workers:
        _worker(made, known.id, known.report, len(known.lanes), clock.now() - known.seen)
    made.add("workers", "gauge", "processes that work on the journal", len(workers))
    for failure in broken:
        made.add("detector_failures_total", "counter", "failures of a detector", failure.times, detector=failure.name)
    for realm, counts in raised.items():
        for level in LEVELS:
            made.add("alerts_open", "gauge", "alerts that nobody has closed", counts[level], realm=realm, level=level)
    for group in held:
        made.add("quarantine_records", "gauge", "records that could not be read or stored", group.count,
                 source=group.source, reason=group.reason[:80])
    made.add("push_windows_total", "counter", "windows of events judged in the store", pushed.done)
    made.add("push_findings_total", "counter", "findings that these brought", pushed.findings)
    made.add("push_gaps", "gauge", "windows that are not judged yet", gaps)
    for consumer, waiting, given_up in outbox:
        made.add("outbox_waiting", "gauge", "consequences not dealt with yet", waiting, consumer=consumer)
        made.add("outbox_given_up", "gauge", "consequences no longer tried", given_up, consumer=consumer)
    return made


def _sources(made: Page, rows: Iterable[Any]) -> None:
    ordered = sorted(rows, key=lambda row: -row.received)
    sums: dict[tuple[str, str, str], int] = {}
    for place, row in enumerate(ordered):
        name = row.source if place < MOST else "(others)"
        for fate in FATES:
            sums[name, row.realm, fate] = sums.get((name, row.realm, fate), 0) + getattr(row, fate)
        sums[name, row.realm, "events"] = sums.get((name, row.realm, "events"), 0) + row.events
    for (source, realm, fate), count in sums.items():
        what = {"received": "received_records", "events": "events"}.get(fate)
        if what:
            made.add(f"{what}_total", "counter", f"{fate} by source", count, source=source, realm=realm)
        elif fate == "pending":
            made.add("held_records", "gauge", "records that wait for others of their event", count, source=source,
                     realm=realm)
        else:
            made.add("records_total", "counter", "received records by what became of them", count, source=source,
                     realm=realm, fate=fate)


def _journal(made: Page, services: Services) -> None:
    """How far behind the work is. An engine that is away shows as a gauge, not as an error of the page."""
    up, settings = 1, engines.impatient(services.settings)  # who asks waits some seconds, no more
    try:
        if not engines.has_journal(settings):
            return
        for name, first, opened in (("journal", 0, engines.open_journal), ("shared", SHARED, engines.open_shared)):
            journal = opened(settings)
            try:
                with services.database.read() as session:
                    marks = {each: commits.mark(session, first + each) for each in journal.partitions()}
                for partition, mark in marks.items():
                    made.add(f"{name}_lag_records", "gauge", "records to be worked off",
                             max(0, journal.end(partition) - mark), partition=str(partition))
                    made.add(f"{name}_committed_total", "counter", "records worked off", mark,
                             partition=str(partition))
            finally:
                journal.close()
    except OSError:
        up = 0
    finally:
        made.add("journal_up", "gauge", "whether the journal answers", up)


def _collector(made: Page, known: Collector, at: clock.Micros) -> None:
    who, told = known.name, known.counts
    made.add("collector_up", "gauge", "0 once it has stopped in order", bool(told["running"]), collector=who)
    made.add("collector_silent_seconds", "gauge", "since a collector said how it stands, each five seconds",
             max(0, at - known.seen) / clock.SECOND, collector=who)
    made.add("collector_stalled", "gauge", "whether the journal takes nothing", bool(told["stalled"]), collector=who)
    for door, counts in told["sources"].items():
        _door(made, counts, {"collector": who, "door": door})


def _door(made: Page, counts: Mapping[str, Any], labels: Labels) -> None:
    received, committed = counts["received"], counts["committed"]
    shed, drops = counts.get("shed", 0), counts.get("kernel_drops", 0)
    for name, kind, about, value in (
        ("received_total", "counter", "records that came to a door", received),
        ("committed_total", "counter", "of these, in the journal", committed),
        ("waiting_records", "gauge", "taken and not yet in the journal", max(0, received - committed)),
        ("waiting_bytes", "gauge", "taken and not yet acknowledged", counts.get("waiting_bytes")),
        ("connections", "gauge", "open ones", counts.get("connections")),
        ("refused_total", "counter", "requests and connections not let in", counts.get("refused")),
        ("shed_total", "counter", "turned away before the acknowledgement", shed),
        ("kernel_drops_total", "counter", "dropped by the kernel", drops),
    ):
        if value is not None:
            made.add(f"door_{name}", kind, about, value, **labels)
    whole = received + shed + drops
    made.add("loss_budget_left_ratio", "gauge", f"of the {BUDGET:.2%} that may be lost, what is left (below 0: "
             "overdrawn)", 1 - (shed + drops) / whole / BUDGET if whole else 1, **labels)


def _worker(made: Page, name: str, report: Mapping[str, Any], lanes: int, silent: int) -> None:
    made.add("worker_lanes", "gauge", "lanes that a worker has", lanes, worker=name)
    made.add("worker_silent_seconds", "gauge", "since a worker said that it is there", max(0, silent) / clock.SECOND,
             worker=name)
    made.add("worker_stalled", "gauge", "whether an engine is away", bool(report.get("stalled")), worker=name)
    process = report.get("process", {})
    made.add("worker_cpu_seconds_total", "counter", "processor time", process.get("cpu", 0), worker=name)
    made.add("worker_memory_bytes", "gauge", "most memory it ever had", process.get("memory", 0), worker=name)
    trace = report.get("trace", {})
    for what, count in trace.get("counts", {}).items():
        made.add(f"worker_{what}_total", "counter", f"{what} of a worker", count, worker=name)
    made.add("step_delay_seconds", "gauge", "receipt to commit, of the last step's oldest record",
             trace.get("delay", 0), worker=name)
    for stage, spent in trace.get("stages", {}).items():
        made.add("stage_seconds_total", "counter", "time of steps by stage", spent, worker=name, stage=stage)
    for detector, spent in trace.get("detectors", {}).items():
        made.add("detector_seconds_total", "counter", "time by detector", spent, worker=name, detector=detector)
    for rule, count in trace.get("rules", {}).items():
        made.add("rule_findings_total", "counter", "findings of the rules that find most", count, worker=name,
                 rule=rule)
    for rule, spent in trace.get("costs", {}).items():
        made.add("rule_seconds_total", "counter", "time that a rule alone took: its condition and what it finds; of "
                 "those that take most", spent, worker=name, rule=rule)


def _outbox(session: Any) -> list[tuple[str, int, int]]:
    """(consumer, waiting, given up)."""
    cursor, item, held = OutboxCursorRow, OutboxRow, OutboxDeliveryRow
    fresh = dict(session.execute(
        select(cursor.consumer, func.count(item.id)).outerjoin(
            item, (item.topic == cursor.topic) & (item.id > cursor.position)).group_by(cursor.consumer)).all())
    claimed = dict(session.execute(select(held.consumer, func.count()).group_by(held.consumer)).all())
    lost = dict(session.execute(
        select(held.consumer, func.count()).where(held.due.is_(None)).group_by(held.consumer)).all())
    return [(name, fresh.get(name, 0) + claimed.get(name, 0) - lost.get(name, 0), lost.get(name, 0))
            for name in sorted({*fresh, *claimed})]
