"""Windows events: the traps of the domain notes, one by one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collectors.formats import windows_event
from collectors.formats._windows_derive import registry_path
from collectors.parse import guarded
from tests.collectors.formats.fixtures import CONTEXT, rows

SYSMON = "Microsoft-Windows-Sysmon/Operational"


def evtx(code: int, data: dict[str, Any], channel: str = SYSMON) -> bytes:
    system = {"Provider": {"#attributes": {"Name": "p"}}, "EventID": code, "Channel": channel, "Computer": "pc",
              "TimeCreated": {"#attributes": {"SystemTime": "2026-11-20T01:00:00Z"}}}
    return orjson.dumps({"Event": {"System": system, "EventData": data}})


def flat(code: int, data: dict[str, Any], channel: str = SYSMON) -> bytes:
    return orjson.dumps({"EventID": code, "Channel": channel, "SourceName": "p", "Hostname": "pc",
        "@timestamp": "2026-11-20T01:00:00Z", **data})


def beats(code: int, data: dict[str, Any], channel: str = SYSMON) -> bytes:
    return orjson.dumps({"@timestamp": "2026-11-20T01:00:00Z", "winlog": {
        "channel": channel, "event_id": str(code), "provider_name": "p", "computer_name": "pc", "event_data": data}})


def one(line: bytes) -> dict[str, Any]:
    parsed = windows_event.parse([line], CONTEXT)
    assert parsed.faults == []
    (event,) = rows(parsed.batch)
    return event


@pytest.mark.parametrize("style", [evtx, flat, beats])
def test_every_style_gives_the_same_event(style: Any) -> None:
    event = one(style(1, {"Image": "C:\\a\\b.exe", "CommandLine": " x  y ", "User": "GOV\\li", "LogonId": "0x3E7",
        "Hashes": "MD5=AB,IMPHASH=CD"}))
    assert event["process.executable"] == event["winlog.event_data.Image"] == "C:\\a\\b.exe"
    assert event["process.command_line"] == " x  y "
    assert (event["user.domain"], event["user.name"], event["winlog.event_data.User"]) == ("GOV", "li", "GOV\\li")
    assert event["winlog.event_data.LogonId"] == "0x3e7"
    assert (event["process.hash.md5"], event["process.pe.imphash"], event["winlog.event_data.Hashes"]) == ("ab", "cd",
        "MD5=AB,IMPHASH=CD")
    assert event["sigma.logsource"] == ["windows/process_creation/", "windows//", "windows//sysmon"]
    assert (event["event.code"], event["host.name"], event["@timestamp"]) == ("1", "pc", "2026-11-20T01:00:00.000000Z")


@pytest.mark.parametrize(("told", "direction"), [("true", "egress"), ("false", "ingress"), (True, "egress"), (False,
    "ingress")])
def test_who_opened_a_connection(told: Any, direction: str) -> None:
    assert one(evtx(3, {"Initiated": told, "Image": "x"}))["network.direction"] == direction


@pytest.mark.parametrize(("code", "kind", "tags"), [
    (12, "CreateKey", ["windows/registry_add/", "windows/registry_event/"]),
    (12, "DeleteKey", ["windows/registry_delete/", "windows/registry_event/"]),
    (12, "DeleteValue", ["windows/registry_delete/", "windows/registry_event/"]),
    (13, "SetValue", ["windows/registry_set/", "windows/registry_event/"]),
])
def test_registry_events_are_told_apart_by_their_type(code: int, kind: str, tags: list[str]) -> None:
    assert one(evtx(code, {"EventType": kind, "TargetObject": "HKLM\\A\\B"}))["sigma.logsource"][:-2] == tags


@pytest.mark.parametrize(("raw", "short"), [
    ("\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet002\\X", "HKLM\\SYSTEM\\CurrentControlSet\\X"),
    ("HKEY_USERS\\S-1-5\\X", "HKU\\S-1-5\\X"),
    ("\\REGISTRY\\USER\\S-1-5", "HKU\\S-1-5"), ("HKLM\\Software\\HKEY_USERS", "HKLM\\Software\\HKEY_USERS"),
    ("HKLM\\System\\ControlSet001x", "HKLM\\System\\ControlSet001x"),
])
def test_registry_paths_have_one_form(raw: str, short: str) -> None:
    assert registry_path(raw) == short


def test_empty_is_not_absent_and_a_dash_is_a_dash() -> None:
    event = one(evtx(1, {"ParentCommandLine": None, "CommandLine": "", "RuleName": "-"}))
    assert event["process.parent.command_line"] == ""
    assert event["process.command_line"] == ""
    assert event["winlog.event_data.RuleName"] == "-"
    assert "process.executable" not in event


def test_names_with_spaces_are_stored_under_both_names() -> None:
    event = one(evtx(1116, {"Threat Name": "x"}, "Microsoft-Windows-Windows Defender/Operational"))
    assert event["winlog.event_data.ThreatName"] == event["winlog.event_data.Threat_Name"] == "x"
    assert "windows//windefend" in event["sigma.logsource"]


def test_unnamed_data_is_one_text_in_order() -> None:
    event = one(evtx(400, {"Data": {"#text": ["a", "b"]}}, "Windows PowerShell"))
    assert event["winlog.event_data.Data"] == "a\nb"
    assert event["overflow"]["winlog"]["event_data"]["Data"] == ["a", "b"]
    assert event["sigma.logsource"][0] == "windows/ps_classic_start/"


def test_security_4688_under_the_names_of_process_rules() -> None:
    event = one(evtx(4688, {"NewProcessName": "C:\\n.exe", "NewProcessId": "0x10", "ProcessId": "0xff",
        "ParentProcessName": "C:\\p.exe",
                            "MandatoryLabel": "S-1-16-12288", "SubjectUserName": "li", "SubjectDomainName": "GOV",
                            "SubjectLogonId": "0x3E7"}, "Security"))
    assert (event["process.executable"], event["process.pid"], event["process.parent.pid"]) == ("C:\\n.exe", 16, 255)
    assert event["winlog.event_data.IntegrityLevel"] == "S-1-16-12288"
    assert event["winlog.event_data.User"] == "GOV\\li"
    assert event["winlog.event_data.LogonId"] == "0x3e7"
    assert event["sigma.logsource"] == ["windows/process_creation/", "windows//", "windows//security"]


@pytest.mark.parametrize(("kind", "value", "details"), [
    ("%%1876", "16", "DWORD (0x00000010)"), ("%%1876", "0x10", "DWORD (0x00000010)"),
    ("%%1883", "4294967297", "QWORD (0x00000001-0x00000001)"),
    ("%%1873", "text", "text"), ("%%1873", "", "(Empty)"), ("%%1875", "00FF", "Binary Data"), ("%%1876", "odd", "odd"),
])
def test_security_4657_says_its_value_as_sysmon_does(kind: str, value: str, details: str) -> None:
    event = one(evtx(4657, {"ObjectName": "\\REGISTRY\\MACHINE\\A", "ObjectValueName": "v", "OperationType": "%%1905",
                            "NewValueType": kind, "NewValue": value}, "Security"))
    assert event["winlog.event_data.Details"] == details
    assert event["registry.path"] == "HKLM\\A\\v"


@pytest.mark.parametrize(("keywords", "outcome"), [("0x8020000000000000", "success"), ("0x8010000000000000", "failure"),
                                                   (-9214364837600034816, "success"), (["Audit Failure"], "failure"),
                                                   ("0x0", None)])
def test_outcome_of_an_audit(keywords: Any, outcome: str | None) -> None:
    assert one(flat(4625, {"Keywords": keywords}, "Security")).get("event.outcome") == outcome


def test_documents_with_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Event><System><EventID>1</EventID></System></Event>'
    assert windows_event.parse([bomb], CONTEXT).faults[0].reason == "not a well-formed event in XML"


@pytest.mark.parametrize("name", ["Keywords", "TargetUserName", "tags"])
@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_no_nesting_keeps_the_columns_from_being_made(name: str, begin: bytes, end: bytes) -> None:
    """They are made when the store writes them: what raises there stops all that comes behind it."""
    for depth in (100, 254, 255, 1020):
        deep = b'{"Channel":"Security","EventID":4624,"%s":%s1%s}' % (name.encode(), begin * depth, end * depth)
        parsed = guarded("windows_event", [deep, b'{"Channel":"Security","EventID":4624,"Hostname":"pc"}'], CONTEXT)
        assert parsed.batch.frame().height + len(parsed.faults) == 2


@pytest.mark.parametrize("head", [b'{"Channel":"Security","EventID":1,%s}',
    b'{"winlog":{"channel":"Security","event_id":1,"event_data":{%s}}}',
    b'{"Event":{"System":{"Channel":"Security","EventID":1},"EventData":{%s}}}'])
def test_names_that_all_differ_make_no_table_of_lines_times_names(head: bytes) -> None:
    """What is read is what has names that others have too, and as many more as may be."""
    count = 1100
    plain = head % b'"TargetUserName":"li"'
    strange = [head % b",".join(b'"n%d_%d":1' % (line, name) for name in range(8)) for line in range(count)]
    parsed = windows_event.parse([plain, *strange, plain], CONTEXT)
    assert {0, count + 1} <= set(parsed.line_no.tolist())
    assert parsed.batch.height + len(parsed.faults) == count + 2
    assert 100 < parsed.batch.height < 140
    assert sorted([*parsed.line_no.tolist(), *(fault.line for fault in parsed.faults)]) == list(range(count + 2))
    assert parsed.batch.frame().width < 1100


def test_what_one_event_brings_keeps_nothing_from_those_beside_it() -> None:
    plain = {"Channel": "Security", "EventID": 4688, "SubjectUserName": "li", "SubjectDomainName": "GOV",
             "SubjectLogonId": "0x3e7", "MandatoryLabel": "S-1-16-12288", "NewProcessName": "C:\\x.exe"}
    hostile = {"Channel": "Security", "EventID": 4688, "User": "x", "IntegrityLevel": "x", "LogonId": "0x1"}
    names = [f"winlog.event_data.{name}" for name in ("User", "IntegrityLevel", "LogonId")]
    alone = windows_event.parse([orjson.dumps(plain)], CONTEXT).batch.frame()
    beside = windows_event.parse([orjson.dumps(plain), orjson.dumps(hostile)], CONTEXT).batch.frame()
    assert beside.select(names).rows() == [alone.select(names).row(0), ("x", "x", "0x1")]
