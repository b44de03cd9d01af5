"""What one event brings changes nothing of those beside it: else who writes one line hides what others wrote.

Windows events of one channel and id become columns together, whoever sent them. Beside recorded events stand crafted
ones with values of their own for every name that anything is made of; each event must be what it is alone.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson
import pytest

from collectors.formats import _lazy, _spans, windows_event
from collectors.formats import _windows_styles as styles
from collectors.formats import _windows_tokens as tokens
from collectors.formats._windows_map import SYSMON, TABLES
from tests.collectors.formats.fixtures import CONTEXT, rows
from tests.corpora import corpus

SYSMON_LOG, SECURITY = "Microsoft-Windows-Sysmon/Operational", "Security"
WINDOWS = "Microsoft-Windows-"
CHANNELS = {
    SYSMON_LOG: "sysmon", "Linux-Sysmon/Operational": "sysmon", SECURITY: "security",
    WINDOWS + "PowerShell/Operational": "powershell", WINDOWS + "Windows Defender/Operational": "windefend",
    WINDOWS + "Kernel-File/Analytic": "kernel-file", "RPCFW": "rpcfw", "": "sysmon",
}
OTHERS = (
    "User", "SourceUser", "Hashes", "Hash", "ObjectName", "ObjectValueName", "NewValueType", "NewValue", "Details",
    "OperationType", "ObjectType", "EventType", "IntegrityLevel", "MandatoryLabel", "LogonId", "SubjectLogonId",
    "Initiated", "Direction", "Protocol", "QueryResults", "Data", "Threat Name", "ThreatName", "Threat_Name", "Path",
)
TOPS = ("Level", "LevelValue", "SeverityValue", "Keywords", "Hostname", "Computer", "ProcessID", "Message",
    "AccountName", "Domain", "EventTime", "UtcTime")
VALUES: tuple[Any, ...] = (
    "x", "GOV\\eve", "-", "", "0x10", "17", 6, None, True, 1.5, "192.0.2.66", "evil.example", "::ffff:192.0.2.7",
    "MD5=AB,IMPHASH=CD", "HKLM\\System\\Evil", "C:\\evil\\x.exe", "%%1876", "%%14592", "CreateKey", "INFO", ["a", "b"],
    {"b": "c"}, "2026-11-20 09:00:00", "EventType: DeleteValue\r\n", "type:  5 a;::ffff:192.0.2.1;", "Linux-Sysmon",
    1 << 70, "1{9d420415-b8fb-4f4a-8c53-4502ead30ca9}\n5", "{9d420415-b8fb-4f4a-8c53-4502ead30ca9}\n5",
)


def crafted(chance: random.Random, style: str, channel: str, code: str) -> bytes:
    """An event with values of its own for some names that anything is made of."""
    kind = TABLES[CHANNELS.get(channel, "security")].get(code)
    known = [*(kind.fields if kind else ()), *OTHERS, *(TOPS if style == "flat" else ())]
    names = chance.sample(known, min(len(known), chance.randint(1, 14)))
    data = {name: chance.choice(VALUES) for name in names}
    provider = chance.choice(["p", "p", "Linux-Sysmon", "Microsoft-Windows-Sysmon"])
    stamp = "2026-11-20T01:00:00Z"
    if style == "evtx":
        return orjson.dumps({"Event": {"System": {
            "Provider": {"#attributes": {"Name": provider}}, "EventID": int(code), "Channel": channel,
            "Computer": "pc", "TimeCreated": {"#attributes": {"SystemTime": stamp}}}, "EventData": json(data)}})
    if style == "beats":
        return orjson.dumps({"@timestamp": stamp, "winlog": {
            "channel": channel, "event_id": code, "provider_name": provider, "event_data": json(data)}})
    return orjson.dumps({"EventID": int(code), "Channel": channel, "SourceName": provider, "@timestamp": stamp,
        **json(data)})


def json(data: dict[str, Any]) -> dict[str, Any]:
    """Without numbers that cannot be written."""
    return {name: str(value) if type(value) is int and value > 1 << 64 else value for name, value in data.items()}


def recorded() -> Iterator[bytes]:
    """Some events of recordings."""
    for path in sorted(corpus("otrf").rglob("*.jsonl.gz"))[::9]:
        with gzip.open(path) as opened:
            yield from (line.rstrip(b"\n") for line in islice(opened, 0, 300, 61))


def events(lines: list[bytes], patch: pytest.MonkeyPatch, many: int) -> list[dict[str, Any] | None]:
    """Each line's event, with kernels from `many` lines on."""
    patch.setattr(tokens, "MANY", many)
    patch.setattr(_lazy, "SEVERAL", chosen := 1 if len(lines) % 2 else 200)
    patch.setattr(_spans, "SEVERAL", chosen)
    parsed = windows_event.parse(lines, CONTEXT)
    found: list[dict[str, Any] | None] = [None] * len(lines)
    for line, event in zip(parsed.line_no.tolist(), rows(parsed.batch), strict=True):
        found[line] = event
    return found


def alike(lines: list[bytes], patch: pytest.MonkeyPatch, many: int) -> None:
    together = events(lines, patch, many)
    for number, line in enumerate(lines):
        (alone,) = events([line], patch, many)
        mine = together[number]
        assert (mine is None) == (alone is None), line
        for name in sorted({*(mine or ()), *(alone or ())}):
            assert (name, (mine or {}).get(name)) == (name, (alone or {}).get(name)), line


@pytest.mark.parametrize("many", [1, 1 << 30], ids=["kernels", "records"])
def test_crafted_neighbours_change_nothing(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)
    lines = []
    for channel, service in CHANNELS.items():
        for code in chance.sample(sorted(TABLES[service]), min(3, len(TABLES[service]))):
            lines += [crafted(chance, style, channel, code) for style in ("flat", "evtx", "beats") for _ in range(2)]
    for code in ("1", "3", "8", "12", "13", "22"):
        assert code in SYSMON
        lines += [crafted(chance, "flat", SYSMON_LOG, code) for _ in range(3)]
    for code in ("4624", "4657", "4663", "4688", "5156"):
        lines += [crafted(chance, "flat", SECURITY, code) for _ in range(3)]
    chance.shuffle(lines)
    alike(lines, monkeypatch, many)


@pytest.mark.parametrize("many", [1, 1 << 30], ids=["kernels", "records"])
def test_recorded_events_are_the_same_beside_crafted_ones(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(4)
    lines = chance.sample(found := list(recorded()), min(len(found), 60))
    keys = {styles.place(orjson.loads(line)) for line in lines}
    for key in sorted(one for one in keys if one is not None):
        lines += [crafted(chance, "flat", key[1], key[2]) for _ in range(2)]
    chance.shuffle(lines)
    alike(lines, monkeypatch, many)
