"""Parts of a PowerShell script become one event, in whatever order they came."""

from __future__ import annotations

import orjson

from tests.collectors.assemble.joining import events, joined


def part(number: int, total: int, text: str, block: str = "ab-cd") -> bytes:
    return orjson.dumps({
        "Channel": "Microsoft-Windows-PowerShell/Operational", "EventID": 4104, "Computer": "pc1.example",
        "EventTime": "2026-11-20 09:00:10", "Provider_Name": "Microsoft-Windows-PowerShell",
        "SourceName": "Microsoft-Windows-PowerShell", "Hostname": "pc1.example", "MessageNumber": str(number),
        "MessageTotal": str(total), "ScriptBlockText": text, "ScriptBlockId": block, "Path": "",
        "EventRecordID": 20 + number, "@timestamp": "2026-11-20T01:00:10.000Z",
    })


def test_parts_become_one_text() -> None:
    made = events([part(2, 3, "-Expression "), part(1, 3, "Invoke"), part(3, 3, "$x")], "windows_event")
    assert [row["powershell.file.script_block_text"] for row in made] == ["Invoke-Expression $x"]
    assert made[0]["winlog.event_data.ScriptBlockText"] == "Invoke-Expression $x"


def test_a_missing_part_waits_and_a_whole_script_does_not() -> None:
    assert len(joined([part(1, 2, "a")], "windows_event", now=0).held) == 1
    assert joined([part(1, 1, "a")], "windows_event", now=0).held == []
    both = joined([part(1, 2, "a"), part(1, 2, "x", "other"), part(2, 2, "b")], "windows_event", now=0)
    assert [line for _, line in both.held] == [1]


def test_a_part_that_came_twice_counts_once() -> None:
    made = events([part(1, 2, "a"), part(1, 2, "a"), part(2, 2, "b")], "windows_event")
    assert [row["powershell.file.script_block_text"] for row in made] == ["ab"]
