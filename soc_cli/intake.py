"""`./soc ingest`: files into the journal, the journal worked off, and an account of every record."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from collectors.parse import detect
from collectors.sources.files import FileSource, Ledger, Refused, expand
from soc_cli import rule_files
from soc_cli.member import Member
from soc_cli.settling import Loop
from soc_cli.wiring import Busy, Platform
from soc_core import config, registry
from soc_core.access import EVERYTHING
from soc_core.config import Settings
from soc_core.lanes import LIMIT
from soc_core.models import LEVELS, REAL, Alert
from soc_core.protocols import Query
from soc_core.state import alerts, commits, failures

RULES_READ = 15.0  # seconds that a running worker may take to read changed rules
QUIET = 2.0  # seconds before a progress bar appears
PLAIN = "text"  # the format that any line has
FATES = ("stored", "merged", "quarantined", "duplicate")


class Intake:
    """One run over some paths. `run` returns the summary that --json prints."""

    def __init__(self, settings: Settings, format: str, source: str, zone: str, timezone: str,
                 rules: list[Path]) -> None:
        if format:
            registry.get("collectors.formats", format)  # an unknown name is refused before anything is read
        for name, value in (("--source", source), ("--zone", zone)):
            if not value.isprintable():
                raise ValueError(f"{name} may hold printable characters only, not {value!r}")
        self.settings, self.rules = settings, rules
        self.format, self.source, self.zone, self.timezone = format, source, zone, config.timezone(timezone)
        self.sources: set[str] = set()
        self.formats: Counter[str] = Counter()  # files by what they were read as
        self.ends: dict[int, int] = {}
        self.read = self.bytes = 0
        self.began = time.monotonic()

    def run(self, paths: Sequence[Path]) -> dict[str, Any]:
        """Take everything in, wait until it is committed, and sum up."""
        found = expand(paths)
        refused = list(found.refused)
        total = sum(path.stat().st_size for path in found.files)
        with ExitStack() as stack:
            platform = stack.enter_context(Platform(self.settings))
            known = self._alerts(platform)
            loop = Loop(stack, platform, self.rules)
            try:
                loop.begin()
            except Busy:
                if self.rules:
                    raise
                rule_files.wait(self.settings, RULES_READ)  # a rule put there a moment ago is meant to judge these
            self.ends = self._behind(platform)
            loop.settle(self.ends)  # what an earlier run left behind is not of this one
            before, broken = self._fates(platform), self._failures(platform)
            bar = stack.enter_context(progress())
            task = bar.add_task("read", total=total, visible=False)
            ledger = Ledger(self.settings.journal / "files.jsonl")
            for path in found.files:
                try:
                    self._take(platform, path, ledger, loop.worker, bar, task)
                except Refused as error:
                    refused.append((path, str(error)))
                except OSError as error:
                    refused.append((path, f"{path}: {error.strerror or error}"))
            loop.settle(self.ends, self.sources)
            failed = self._failures(platform)
            failed.subtract(broken)
            return {**self._summary(platform, before, known, refused), "detectors_failed": dict(+failed)}

    def _take(self, platform: Platform, path: Path, ledger: Ledger, worker: Member | None,
              bar: Progress, task: TaskID) -> None:
        """One file into the journal, the worker following close behind so that little waits on disk."""
        source = FileSource(path, ledger, detect, format=self.format, source=self.source, zone=self.zone,
                            timezone=self.timezone)
        start, waiting = self.bytes, 0
        self.sources.add(source.source)
        try:
            while not source.done:
                raws, _ = source.next_batch()
                if not raws:
                    continue
                for offset in platform.journal.append(raws):
                    self.ends[offset.partition] = max(self.ends.get(offset.partition, 0), offset.offset)
                taken = sum(len(batch.lines) for batch in raws)
                self.read += taken  # of what the journal holds: the rest was refused, and nothing becomes of it
                waiting += taken
                self.bytes = start + source.taken
                bar.update(task, completed=self.bytes, visible=time.monotonic() - self.began > QUIET)
                while worker and waiting >= LIMIT:
                    waiting -= max(worker.turn(patient=False), 1)
        finally:
            self.formats[source.format or PLAIN] += 1
            self.bytes = start + source.size
            source.close()

    def _behind(self, platform: Platform) -> dict[int, int]:
        """Where partitions end that still hold real records: a demonstration alone need not be waited for."""
        with platform.state.read() as session:
            marks = {number: commits.mark(session, number) for number in platform.journal.partitions()}
        waiting = {number: platform.journal.pending(number, mark).values() for number, mark in marks.items()}
        return {number: platform.journal.end(number) for number, some in waiting.items()
                if any(realm == REAL for realm, _ in some)}

    def _failures(self, platform: Platform) -> Counter[str]:
        """Detectors that failed since ever, and how often."""
        with platform.state.read() as session:
            return Counter({each.name.rpartition(".")[2]: each.times for each in failures.listing(session)})

    def _fates(self, platform: Platform) -> dict[str, commits.Fates]:
        with platform.state.read() as session:
            return {row.source: row for row in commits.fates(session) if row.realm == REAL}

    def _alerts(self, platform: Platform) -> dict[str, Alert]:
        found: dict[str, Alert] = {}
        with platform.state.read() as session:
            after = ""
            while True:
                rows, _ = alerts.find(session, EVERYTHING, alerts.Filter(realm=REAL), after, 1000)
                found |= {row.id: row for row in rows}
                if len(rows) < 1000:
                    return found
                after = alerts.cursor(rows[-1])

    def _summary(self, platform: Platform, before: dict[str, commits.Fates], known: dict[str, Alert],
                 refused: list[tuple[Path, str]]) -> dict[str, Any]:
        after = self._fates(platform)
        counts = Counter(dict.fromkeys(FATES, 0))
        for source in self.sources & set(after):
            for name in FATES:
                counts[name] += getattr(after[source], name) - getattr(before.get(source), name, 0)
        changed = self._alerts(platform).values()
        raised = [row for row in changed if row.id not in known or known[row.id].count != row.count]
        raised.sort(key=lambda row: (-LEVELS.index(row.level), row.rule_id, row.id))
        return {
            "read": self.read,
            "normalised": self.read - counts["quarantined"] - self._plain(platform),
            **counts,
            "seconds": round(time.monotonic() - self.began, 3),
            "alerts": [summed(row, known.get(row.id)) for row in raised],
            "files": len(self.sources),
            "formats": dict(self.formats.most_common()),
            "refused": [{"path": str(path), "reason": reason} for path, reason in refused],
        }

    def _plain(self, platform: Platform) -> int:
        """Records of these sources that no format knew and that were kept as text."""
        wanted = Query(text=f"soc.format:{PLAIN}")
        plain = platform.store(REAL).aggregate(wanted, EVERYTHING, "soc.source", limit=1_000_000)
        return sum(bucket.n for bucket in plain if bucket.key in self.sources)


def summed(row: Alert, known: Alert | None) -> dict[str, Any]:
    """An alert as the summary shows it; `count` is the whole episode's, `added` what this run added."""
    return {
        "id": row.id, "rule_id": row.rule_id, "level": row.level, "count": row.count,
        "added": row.count - (known.count if known else 0), "entities": row.entities, "title": row.title,
        "organisation": row.organisation, "system": row.system,
    }


def progress() -> Progress:
    """A bar on a terminal, nothing elsewhere."""
    percent = TextColumn("{task.percentage:>3.0f}%")
    columns = (TextColumn("{task.description}"), BarColumn(), percent, TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def show(summary: dict[str, Any]) -> None:
    """The account for people."""
    console = Console()
    for entry in summary["refused"]:
        console.print(f"[red]refused[/red] {escape(entry['reason'])}", highlight=False, soft_wrap=True)
    for name, times in summary["detectors_failed"].items():
        console.print(f"[red]detector {name} failed {times} times[/red]: what it missed is not in the alerts below")
    if summary["formats"]:
        read_as = (f"{name} ({files} file{'s' * (files > 1)})" for name, files in summary["formats"].items())
        console.print(f"read as {', '.join(read_as)}", highlight=False, soft_wrap=True)
    table = Table(show_header=False, box=None)
    for name in ("read", "normalised", *FATES):
        table.add_row(name, f"{summary[name]:,}")
    console.print(table)
    levels = Counter(alert["level"] for alert in summary["alerts"])
    by_level = ", ".join(f"{levels[level]} {level}" for level in reversed(LEVELS) if levels[level])
    console.print(f"{len(summary['alerts'])} alerts" + (f": {by_level}" if by_level else ""))
    for alert in summary["alerts"]:
        names = "  ".join(f"{kind}={','.join(values[:3])}" for kind, values in alert["entities"].items())
        line = escape(f"{alert['count']:>6} × {alert['title']}  {names}")
        console.print(f"  {alert['level']:<13} {line}", highlight=False, soft_wrap=True)
    rate = summary["read"] / summary["seconds"] if summary["seconds"] else 0.0
    console.print(f"{summary['files']} files in {summary['seconds']:.1f} s ({rate:,.0f} records/s)")
