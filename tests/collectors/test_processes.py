"""A process's beginning is added to what it does later: in order, bounded, never over the record's own word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from collectors.processes import Process, Processes
from soc_cli import reading
from soc_cli.wiring import Platform
from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.config import Settings
from soc_core.events import EventBatch
from soc_core.protocols import Origin, Raws
from soc_core.state import alerts
from tests.detections.sigma.events import rows

SYSMON = "Microsoft-Windows-Sysmon/Operational"


def line(code: int, channel: str = SYSMON, host: str = "pc-1", **data: str) -> str:
    system: dict[str, Any] = {"EventID": code, "Channel": channel, "Computer": host, "Provider": {"#attributes": {
        "Name": "Microsoft-Windows-Sysmon"}}, "TimeCreated": {"#attributes": {"SystemTime": "2026-11-23T02:03:04Z"}}}
    return orjson.dumps({"Event": {"System": system, "EventData": data}}).decode()


def batch(*lines: str) -> EventBatch:
    return reading.lines(lines, "windows_event")


BORN = line(1, ProcessGuid="{1}", ProcessId="44", Image="C:\\w3wp.exe", CommandLine="w3wp -ap MSExchange",
    ParentImage="C:\\svchost.exe", ParentCommandLine="svchost -k", IntegrityLevel="System", ParentProcessId="4",
    ParentProcessGuid="{0}")
WRITES = line(11, ProcessGuid="{1}", ProcessId="44", Image="C:\\w3wp.exe", TargetFilename="C:\\x.aspx")


def enriched(*batches: EventBatch, known: Processes | None = None) -> list[dict[str, Any]]:
    held = known or Processes()
    return [row for one in batches for row in rows(held.enrich(one))]


def test_a_file_event_knows_its_process_wherever_the_batch_was_cut() -> None:
    for found in (enriched(batch(BORN, WRITES)), enriched(batch(BORN), batch(WRITES))):
        assert found[1]["process.command_line"] == "w3wp -ap MSExchange"
        assert found[1]["process.parent.executable"] == "C:\\svchost.exe"
        assert found[1]["process.parent.command_line"] == "svchost -k"
        assert found[1]["winlog.event_data.IntegrityLevel"] == "System"


def test_what_comes_before_the_beginning_knows_nothing() -> None:
    first, _ = enriched(batch(WRITES, BORN))
    assert "process.command_line" not in first
    assert "process.command_line" not in enriched(batch(BORN), batch(line(11, host="pc-2", ProcessGuid="{1}",
        TargetFilename="C:\\y")))[1]


def test_the_record_itself_has_the_last_word() -> None:
    own = line(11, ProcessGuid="{1}", TargetFilename="C:\\x", CommandLine="its own")
    assert enriched(batch(BORN, own))[1]["process.command_line"] == "its own"


def test_grandparent_source_and_target() -> None:
    child = line(1, ProcessGuid="{2}", ParentProcessGuid="{1}", Image="C:\\cmd.exe", CommandLine="cmd",
        ParentImage="C:\\w3wp.exe", ParentProcessId="44")
    access = line(10, SourceProcessGUID="{1}", TargetProcessGUID="{2}", SourceImage="C:\\w3wp.exe",
        TargetImage="C:\\cmd.exe")
    _, born, touched = enriched(batch(BORN, child, access))
    assert born["winlog.event_data.GrandParentImage"] == "C:\\svchost.exe"
    assert touched["winlog.event_data.SourceCommandLine"] == "w3wp -ap MSExchange"
    assert touched["winlog.event_data.SourceParentImage"] == "C:\\svchost.exe"
    assert touched["winlog.event_data.TargetParentProcessId"] == "44"


def test_the_kernels_file_events_are_joined_by_number_and_image() -> None:
    channel = "Microsoft-Windows-Kernel-File/Analytic"
    same = line(12, channel, ProcessId="44", Image="C:\\w3wp.exe", FileName="C:\\Login Data")
    other = line(12, channel, ProcessId="44", Image="C:\\other.exe", FileName="C:\\Login Data")
    _, found, missed = enriched(batch(BORN, same, other))
    assert found["process.parent.executable"] == "C:\\svchost.exe"
    assert "process.parent.executable" not in missed


def test_memory_is_bounded() -> None:
    known = Processes(limit=2_000)
    enriched(batch(BORN), known=known)
    enriched(*[batch(line(1, ProcessGuid=f"{{n{n}}}", Image="C:\\a.exe", CommandLine="a" * 300)) for n in range(40)],
        known=known)
    assert len(known._young) + len(known._old) < 15
    assert "process.command_line" not in enriched(batch(WRITES), known=known)[0]


def test_other_events_are_left_as_they_are() -> None:
    found = reading.lines(["Nov 23 10:03:04 web-1 app: hello"], "syslog")
    assert Processes().enrich(found) is found


def test_what_is_saved_is_what_is_known() -> None:
    """Both halves, a name that is no UTF-8, and again after more."""
    held = Processes(limit=900)
    for number in range(3):
        held.enrich(batch(BORN.replace("{1}", f"{{{number}}}").replace("44", str(number))))
        other = held.anew()
        other.restore(held.snapshot())
        other.restore(other.snapshot())
        assert (other._young, other._old, other._size) == (held._young, held._old, held._size)
    (wrote,) = enriched(batch(WRITES.replace("{1}", "{2}")), known=other)
    assert wrote["process.command_line"] == "w3wp -ap MSExchange"
    assert held._old
    held._keep("pc-1\n{9}", Process("\ud800", None, None, None, None, None), 0)
    other.restore(held.snapshot())
    assert other._young == held._young


RULE = """
title: A web server writes a page
id: 00000000-0000-4000-8000-00000000e5e5
logsource: {product: windows, category: file_event}
detection: {one: {CommandLine|contains: MSExchange, TargetFilename|endswith: .aspx}, condition: one}
level: high
"""


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("saved", [False, True])
def test_a_crash_between_a_beginning_and_what_it_does_changes_no_alert(tmp_path: Path, crash: bool, saved: bool
                                                                       ) -> None:
    (tmp_path / "rule.yml").write_text(RULE)
    settings = Settings(data=tmp_path / "data", partitions=1, rules=[tmp_path / "rule.yml"])
    origin = Origin(source="pc-1", format="windows_event")
    with Platform(settings) as platform:
        worker = platform.worker()
        platform.journal.append([Raws(origin, [BORN.encode()], clock.now(), np.array([0]))])
        worker.step()
        if saved:
            worker.checkpoint()
            platform.journal.append([Raws(origin, [line(5, ProcessGuid="{7}").encode()], clock.now(), np.array([1]))])
            worker.step()
        if crash:
            worker = platform.worker()
            if saved:  # the journal need not have the beginning any more
                assert worker.lanes[0].base > 0
        platform.journal.append([Raws(origin, [WRITES.encode()], clock.now(), np.array([2]))])
        worker.drain()
        with platform.state.read() as session:
            found, _ = alerts.find(session, EVERYTHING)
        assert [one.count for one in found if one.rule_id.endswith("e5e5")] == [1]
