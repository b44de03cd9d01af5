"""The pipeline as numbers: what each source delivered, and what became of it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any, NamedTuple

from soc_cli.wiring import Platform
from soc_core import clock, engines
from soc_core.access import EVERYTHING
from soc_core.config import Settings
from soc_core.models import DEMO, LEVELS, REAL
from soc_core.protocols import Query
from soc_core.state import alerts, claims, collectors, commits, failures, outbox, quarantine, rulings, windows
from soc_core.state.claims import SHARED

FATES = ("stored", "duplicate", "merged", "quarantined", "shed", "pending")
QUIET = 5  # seconds without a word of a worker that are worth one


def stages(settings: Settings) -> dict[str, Any]:
    """Everything `./soc status` shows, as plain data. Counts are records; `events` are what they became."""
    with Platform(engines.impatient(settings)) as platform:
        lanes, away = _lanes(platform)
        with platform.state.read() as session:
            known = {(row.source, row.realm): row for row in commits.fates(session)}
            marks = {lane: commits.mark(session, lane) for lane in lanes}  # as of the same moment
            raised = {realm: alerts.counts(session, EVERYTHING, realm) for realm in (REAL, DEMO)}
            excused = rulings.suppressed(session)
            pushed = windows.summary(session)
            waiting = sum(group.count for group in quarantine.groups(session))
            at = clock.now()
            workers = [_worker(each, at) for each in claims.listing(session)]
            doors = [_collector(each, at) for each in collectors.listing(session)]
            broken = [{**each._asdict(), "last": clock.to_text(each.last)} for each in failures.listing(session)]
            left = [{"consumer": each.consumer, "topic": each.item.topic, "key": each.item.key, "why": each.error}
                    for each in outbox.given_up(session)]
        try:
            behind = _behind(platform, marks, {lane: each["id"] for each in workers for lane in each["lanes"]})
        except OSError as error:
            behind, away = Behind({}, {}, {}), str(error)
        pending = behind.pending
        sources = [_source(key, known.get(key), pending.get(key, 0)) for key in sorted({*known, *pending})]
        stored, lost = _stored(platform)
    totals = {name: sum(source[name] for source in sources) for name in ("received", *FATES, "events")}
    return {
        "data": str(settings.data),
        "collectors": doors,
        "sources": sources,
        "totals": totals,
        "balanced": all(source["balanced"] for source in sources),
        "journal": behind.journal,
        "journal_away": away,
        "shared": behind.shared,
        "lag": sum(each["lag"] for each in behind.journal.values()),
        "workers": workers,
        "detectors_failed": broken,
        "given_up": left,
        "suppressed": excused,
        "pushed": {"windows": pushed.done, "findings": pushed.findings,
                   "until": clock.to_text(pushed.until) if pushed.until else None,
                   "gaps": [_gap(each) for each in pushed.gaps]},
        "events": stored,
        "events_away": lost,
        "quarantine": waiting,
        "alerts": raised,
    }


def retry_given_up(settings: Settings) -> None:
    """What follows from alerts and was given up is tried once more, as if for the first time."""
    with Platform(settings) as platform, platform.state.begin() as session:
        for each in outbox.given_up(session):
            outbox.retry(session, each.consumer, each.item.id)


class Behind(NamedTuple):
    """How far the work is behind what was received: lanes by partition, records by source."""

    journal: dict[str, dict[str, Any]]
    shared: dict[str, dict[str, Any]]
    pending: dict[tuple[str, str], int]


def _behind(platform: Platform, marks: dict[int, int], owners: dict[int, str]) -> Behind:
    """`marks` by lane: of the journal's partitions, and of shares."""
    journal, shared, pending = {}, {}, dict[tuple[str, str], int]()
    for lane, mark in marks.items():
        if lane >= SHARED:
            shared[str(lane - SHARED)] = _lane(platform.shared.end(lane - SHARED), mark, owners.get(lane))
            continue
        for source, (realm, count) in platform.journal.pending(lane, mark).items():
            pending[source, realm] = pending.get((source, realm), 0) + count
        journal[str(lane)] = _lane(platform.journal.end(lane), mark, owners.get(lane))
    return Behind(journal, shared, pending)


def _lanes(platform: Platform) -> tuple[list[int], str]:
    """Partitions and shares; or why nobody can tell."""
    try:
        return [*platform.journal.partitions(), *(SHARED + p for p in platform.shared.partitions())], ""
    except OSError as error:
        return [], str(error)


def _stored(platform: Platform) -> tuple[dict[str, int], str]:
    """Events by realm; or why the store does not tell, which must hide nothing of the rest."""
    try:
        return {realm: platform.store(realm).search(Query(), EVERYTHING).total
                for realm in engines.realms(platform.settings)}, ""
    except OSError as error:
        return {}, str(error)


def _gap(each: windows.Window) -> dict[str, Any]:
    """A span of events that the rules have not judged."""
    records = {"partition": each.partition, "first": each.first, "last": each.last} if each.first >= 0 else {}
    return {"kind": each.kind, "realm": each.realm, "since": clock.to_text(each.since),
            "until": clock.to_text(each.until), **records, "status": each.status, "tried": each.tried, "why": each.why}


def _lane(end: int, mark: int, worker: str | None) -> dict[str, Any]:
    """How far one partition is, and who works on it."""
    return {"end": end, "committed": mark, "lag": max(0, end - mark), "worker": worker}


def _worker(known: claims.Known, at: clock.Micros) -> dict[str, Any]:
    """One worker; `silent` are the seconds since it last said that it is there."""
    return {"id": known.id, "started": clock.to_text(known.started), "lanes": known.lanes, **known.report,
            "silent": round(max(0, at - known.seen) / clock.SECOND, 1)}


def _source(key: tuple[str, str], row: Any, pending: int) -> dict[str, Any]:
    counts = {name: getattr(row, name, 0) if row else 0 for name in ("received", *FATES[:-1])}
    counts["received"] += pending
    counts["pending"] = pending + (row.pending if row else 0)  # in the journal, and held for others
    return {
        "source": key[0],
        "realm": key[1],
        **counts,
        "events": row.events if row else 0,
        "last_event": clock.to_text(row.last_event) if row and row.last_event else None,
        "balanced": counts["received"] == sum(counts[name] for name in FATES),
    }


def _collector(known: collectors.Collector, at: clock.Micros) -> dict[str, Any]:
    """One collector; `silent` as with workers."""
    return {"id": known.name, **known.counts, "silent": round(max(0, at - known.seen) / clock.SECOND, 1)}


def show(whole: dict[str, Any]) -> None:
    """A table for people: only the fates that occurred have a column."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    totals = whole["totals"]
    names = ["received", *(name for name in FATES if totals[name]), "events"]
    table = Table(title=whole["data"], title_justify="left")
    table.add_column("source", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last event", no_wrap=True)
    for source in whole["sources"]:
        name = source["source"] + (" 演示" if source["realm"] == DEMO else "")
        last = (source["last_event"] or "—")[:19].replace("T", " ")
        numbers = [f"{source[key]:,}" for key in names]
        table.add_row(name, *numbers, last, style=None if source["balanced"] else "red")
    table.add_section()
    table.add_row("all", *[f"{totals[key]:,}" for key in names], "")
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)
    for realm, counts in whole["alerts"].items():
        levels = ", ".join(f"{counts[level]} {level}" for level in reversed(LEVELS) if counts[level])
        if counts["total"]:
            console.print(f"{realm}: {counts['total']} alerts, {counts['waiting']} waiting: {levels or 'none open'}")
    console.print(f"quarantine: {whole['quarantine']:,} records; events: {whole['events']}", highlight=False)
    if whole["events_away"]:
        console.print(f"[red]events[/red] {escape(whole['events_away'])}", highlight=False, soft_wrap=True)
    for told in whole["collectors"]:
        show_doors(console, told)
    for name, count in whole["suppressed"].items():
        console.print(f"suppressed by the exception at {name}: {count:,}", highlight=False)
    show_workers(console, whole)
    for (consumer, why), times in Counter((each["consumer"], each["why"]) for each in whole["given_up"]).items():
        line = f"{consumer} gave up {times:,} of what follows from alerts (--retry): {why}"
        console.print(f"[red]given up[/red] {escape(line)}", highlight=False, soft_wrap=True)
    if not whole["balanced"]:
        console.print("[red]the fates of a source do not add up: see the red line[/red]")


def show_doors(console: Any, told: dict[str, Any]) -> None:
    """What came in by which door, and what did not get as far as the journal."""
    from rich.markup import escape

    runs = "runs" if told["running"] else "stopped"
    if told["running"] and told["silent"] > 3 * QUIET:
        runs = f"silent for {told['silent']:,.0f} s"
    trouble = f"; waits: {told['stalled']}" if told["stalled"] else ""
    console.print(escape(f"collector {told['id']}: {runs}{trouble}"), highlight=False, soft_wrap=True)
    for door, counts in told["sources"].items():
        lost = {"shed": counts["shed"], "dropped by the kernel": counts["kernel_drops"],
                "waiting": max(0, counts["received"] - counts["committed"])}
        more = "".join(f", {count:,} {name}" for name, count in lost.items() if count)
        console.print(escape(f"  {door}: {counts['committed']:,} into the journal{more}"), highlight=False,
                      soft_wrap=True)


def _spent(worker: dict[str, Any]) -> str:
    """Where a worker's time went, the most first."""
    stages = worker.get("trace", {}).get("stages", {})
    whole = sum(stages.values())
    parts = [f"{name} {spent / whole:.0%}" for name, spent in sorted(stages.items(), key=lambda item: -item[1])
             if spent >= whole / 100] if whole else []
    return f"; {', '.join(parts)}" if parts else ""


def show_workers(console: Any, whole: dict[str, Any]) -> None:
    """Who works on what, how far behind it all is, and what fails."""
    from rich.markup import escape

    if whole["journal_away"]:
        console.print(f"[red]journal[/red] {escape(whole['journal_away'])}", highlight=False, soft_wrap=True)
    shared = sum(each["lag"] for each in whole["shared"].values())
    lag = "it is not known how many" if whole["journal_away"] else f"{whole['lag']:,}"
    console.print(f"journal: {lag} records to be worked off by {len(whole['workers'])} workers"
                  + (f", and {shared:,} messages to what they share" if shared else ""), highlight=False)
    for worker in whole["workers"]:
        trouble = f"; waits: {worker['stalled']}" if worker.get("stalled") else ""
        quiet = f"; silent for {worker['silent']:.0f} s" if worker["silent"] > QUIET else ""
        line = escape(f"  {worker['id']}: {len(worker['lanes'])} lanes{trouble}{quiet}{_spent(worker)}")
        console.print(line, highlight=False, soft_wrap=True)
    for gap in whole["pushed"]["gaps"]:
        line = f"{gap['since'][:19]} to {gap['until'][:19]} is not judged yet ({gap['status']}) {gap['why']}"
        console.print(f"[yellow]gap[/yellow] {escape(line)}", highlight=False, soft_wrap=True)
    for failed in whole["detectors_failed"]:
        line = escape(f"{failed['name']} failed {failed['times']:,} times, last at {failed['last'][:19]}: "
                      f"{failed['why']}")
        console.print(f"[red]detector[/red] {line}", highlight=False, soft_wrap=True)


def show_traces(whole: dict[str, Any]) -> None:
    """The last and the slowest steps of each worker, stage by stage in milliseconds; ids are PARTITION:FIRST-END."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 200)
    for worker in whole["workers"]:
        told = worker.get("trace", {})
        traces = [(kind, each) for kind, held in (("last", "last"), ("slow", "slowest")) for each in told.get(held, [])]
        stages = list(dict.fromkeys(name for _, each in traces for name in each["stages"]))
        table = Table(title=f"{worker['id']}: steps, ms", title_justify="left")
        for name in ("", "records", "at", "count", "all", *stages):
            table.add_column(name, justify="left" if name in ("", "records", "at") else "right", no_wrap=True)
        for kind, each in traces:
            spent = [f"{each['stages'].get(name, 0):,.1f}" for name in stages]
            table.add_row(kind, each["id"], each["at"][11:19], f"{each['records']:,}", f"{1000 * each['seconds']:,.1f}",
                          *spent)
        console.print(table)
