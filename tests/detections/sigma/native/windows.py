"""Windows events as the service's own JSON, Sysmon for Linux as XML in syslog: rules' names are the events' own."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape
from zlib import crc32

import orjson

from collectors.formats._windows_map import MW, SERVICES
from detections.sigma.rule import LogSource
from tests.detections.sigma.native.solve import Found

Line = tuple[str, list[str]]  # format, lines
SYSMON, SHELL, CLASSIC = MW + "Sysmon/Operational", MW + "PowerShell/Operational", "Windows PowerShell"
KERNEL_FILE = MW + "Kernel-File/Analytic"
# category → (channel, event id, what the event has besides)
CATEGORIES: dict[str, tuple[str, str, dict[str, str]]] = {
    "process_creation": (SYSMON, "1", {}), "file_change": (SYSMON, "2", {}), "network_connection": (SYSMON, "3", {}),
    "sysmon_status": (SYSMON, "4", {}), "process_termination": (SYSMON, "5", {}), "driver_load": (SYSMON, "6", {}),
    "image_load": (SYSMON, "7", {}), "create_remote_thread": (SYSMON, "8", {}), "raw_access_thread": (SYSMON, "9", {}),
    "process_access": (SYSMON, "10", {}), "file_event": (SYSMON, "11", {}),
    "registry_add": (SYSMON, "12", {"EventType": "CreateKey"}),
    "registry_delete": (SYSMON, "12", {"EventType": "DeleteKey"}),
    "registry_set": (SYSMON, "13", {"EventType": "SetValue"}), "registry_event": (SYSMON, "13", {}),
    "registry_rename": (SYSMON, "14", {"EventType": "RenameKey"}), "create_stream_hash": (SYSMON, "15", {}),
    "pipe_created": (SYSMON, "17", {"EventType": "CreatePipe"}), "wmi_event": (SYSMON, "20", {}),
    "dns_query": (SYSMON, "22", {}), "file_delete": (SYSMON, "23", {}), "process_tampering": (SYSMON, "25", {}),
    "file_executable_detected": (SYSMON, "29", {}), "sysmon_error": (SYSMON, "255", {}),
    "file_access": (KERNEL_FILE, "12", {}), "file_rename": (KERNEL_FILE, "27", {}),
    "ps_module": (SHELL, "4103", {}), "ps_script": (SHELL, "4104", {}), "ps_classic_start": (CLASSIC, "400", {}),
    "ps_classic_provider_start": (CLASSIC, "600", {}), "ps_classic_script": (CLASSIC, "800", {}),
}
KEYS = {"CreateKey": "12", "DeleteKey": "12", "DeleteValue": "12", "SetValue": "13", "RenameKey": "14"}
# fields that no record of the category has: (the process they are of, their name in the record of its beginning)
FOREIGN = {name: {field: ("", field) for field in ("CommandLine", "ParentImage", "ParentCommandLine",
    "IntegrityLevel")} for name in ("file_event", "file_access", "file_delete", "image_load", "network_connection")}
FOREIGN |= {name: {"SourceCommandLine": ("Source", "CommandLine"), "SourceParentImage": ("Source", "ParentImage"),
    "TargetParentProcessId": ("Target", "ParentProcessId")} for name in ("process_access", "create_remote_thread")}
FOREIGN["process_creation"] = {"GrandParentImage": ("Parent", "ParentImage")}
SYSTEM = ("EventID", "Channel", "Provider_Name", "Level", "Keywords", "Computer")
SPACED = {  # Defender's names have spaces; rules write them without, or with another sign
    "ThreatName": "Threat Name", "Feature_Name": "Feature Name", "NewValue": "New Value", "OldValue": "Old Value",
    "SourceName": "Source Name", "CategoryName": "Category Name", "SeverityID": "Severity ID",
    "ActionName": "Action Name", "ProcessName": "Process Name",
}
LEVELS = {"critical": "1", "error": "2", "warning": "3", "information": "4"} | {str(n): str(n) for n in range(6)}
STAMP = "2026-11-23T02:03:04.123456Z"


def windows(source: LogSource, values: Found, text: str | None) -> Line:
    """A record of the channel that the log source names; keywords go into the data."""
    channel, code, more = _place(source, values)
    outer = SYSTEM if source.service != "system" else SYSTEM[:1] + SYSTEM[2:]  # of 104: the channel that was cleared
    data = more | {name: value for name, value in values.items() if name not in outer and name != "Message"}
    before = _beginnings(source.category, data)
    if "Signed" in data and data["Signed"] not in ("true", "false"):
        data["Signed"] = "false"
    if source.service == "windefend":
        data = {SPACED.get(name, name): value for name, value in data.items()}
    provider = values.get("Provider_Name") or channel.partition("/")[0]
    system: dict[str, Any] = {
        "Provider": {"#attributes": {"Name": provider}}, "EventID": int(code) if code.isdigit() else code,
        "Level": int(LEVELS.get(values.get("Level", "0").lower(), "0")),
        "Keywords": values.get("Keywords") or "0x8000000000000000",
        "TimeCreated": {"#attributes": {"SystemTime": STAMP}}, "EventRecordID": 7, "Channel": channel,
        "Computer": values.get("Computer") or "host-1.city.example",
    }
    held: dict[str, Any] = dict(data)
    unnamed = [part for part in (held.pop("Data", None), text) if part is not None]
    if unnamed:
        held["Data"] = {"#text": unnamed}
    event: dict[str, Any] = {"System": system, "EventData": held or None}
    if "Message" in values:
        event["RenderingInfo"] = {"Message": values["Message"]}
    return "windows_event", [*before, orjson.dumps({"Event": event}).decode()]


def _beginnings(category: str, data: dict[str, str]) -> list[str]:
    """Records of processes' beginnings that tell what the event itself cannot; what they tell is taken out of it."""
    told: dict[str, dict[str, str]] = {}
    for field, (owner, name) in FOREIGN.get(category, {}).items():
        if field in data:
            told.setdefault(owner, {})[name] = data.pop(field)
    lines = []
    for owner, known in told.items():
        number = crc32(f"{owner}{sorted(data.items())}{known}".encode())
        guid = f"{{0e3a8f2c-0000-0000-0000-{number:012x}}}"
        same = {"Image": data.get(owner + "Image", "C:\\demo.exe"), "ProcessId": str(number), "ProcessGuid": guid}
        data |= {owner + "ProcessGuid": guid, owner + "ProcessId": str(number)}
        lines += windows(LogSource("windows", "process_creation"), Found(same | known), None)[1]
    return lines


def _place(source: LogSource, values: Found) -> tuple[str, str, dict[str, str]]:
    """(channel, event id, data besides) of a log source, as far as the rule leaves it open."""
    if source.category:
        channel, code, more = CATEGORIES[source.category]
        kind = values.get("EventType", more.get("EventType", ""))
        if source.category.startswith("registry"):
            code = KEYS.get(kind, code)
            if source.category == "registry_event" and not kind:
                more = {"EventType": "SetValue"}
        return channel, values.get("EventID", code), more
    named = "" if source.service == "system" else values.get("Channel", "")
    channel = named or SERVICES.get(source.service, ("System",))[0]
    return channel, values.get("EventID", "1"), {}


def sysmon_for_linux(source: LogSource, values: Found, text: str | None) -> Line:
    """What Sysmon for Linux sends to syslog."""
    code = CATEGORIES[source.category][1]
    data = {"UtcTime": STAMP[:-1].replace("T", " "), "ProcessId": "4411"} | values
    inner = "".join(f'<Data Name="{name}">{escape(value)}</Data>' for name, value in data.items())
    return "syslog", [
        '<14>Nov 23 10:03:04 web-1 sysmon: <Event><System><Provider Name="Linux-Sysmon" '
        'Guid="{ff032593-a8d3-4f13-b0d6-01fc615a0f97}"/><EventID>' + code + "</EventID><Version>5</Version>"
        f'<Level>4</Level><TimeCreated SystemTime="{STAMP}"/><EventRecordID>7</EventRecordID>'
        "<Channel>Linux-Sysmon/Operational</Channel><Computer>web-1</Computer></System>"
        f"<EventData>{inner}</EventData></Event>"]


def rpc_firewall(source: LogSource, values: Found, text: str | None) -> Line:
    """RPC Firewall's audit record: unnamed data in a fixed order."""
    told = ["RpcServer", "1044", "C:\\Windows\\System32\\svchost.exe", "ncacn_np", "\\PIPE\\srvsvc", "192.0.2.7",
            values["InterfaceUuid"], values.get("OpNum") or "77", "CITY\\demo", "6", "10"]
    system = {"Provider": {"#attributes": {"Name": "RPCFW"}}, "EventID": int(values.get("EventID", "3")), "Level": 0,
              "TimeCreated": {"#attributes": {"SystemTime": STAMP}}, "Channel": "RPCFW", "Computer": "host-1"}
    return "windows_event", [orjson.dumps({"Event": {"System": system,
        "EventData": {"Data": {"#text": told}}}}).decode()]
