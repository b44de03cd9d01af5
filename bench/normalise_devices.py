"""Devices' lines against what other projects expect of them: product, address, user, action, ECS fields.

Public recordings (SOC_CORPORA, default ../shared/corpora beside the checkout), half of which anyone may look at:
wazuh-tests for the product and what the line holds, crowdsec-hub for parsed fields, beats-oss-modules for ECS
documents, fail2ban for the address of the offender, plaso-testdata for lines without loss.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bench._recordings import ROOT, Tally, events, measured, read, tally

# file of wazuh-tests → what the event must say of its maker, and which lines of the file are that product's
WAZUH = {
    "cisco_asa": ("observer.product", "ASA", ""), "cisco_ftd": ("observer.product", "FTD", ""),
    "pix": ("observer.product", "PIX", ""), "cisco_ios": ("observer.product", "IOS", ""),
    "fortigate": ("observer.product", "FortiGate", ""), "paloalto": ("observer.vendor", "Palo Alto Networks", ""),
    "checkpoint_smart1": ("observer.vendor", "Check Point", ""), "huawei_usg": ("observer.vendor", "Huawei", ""),
    "iptables": ("observer.product", "netfilter", ""), "squid_rules": ("observer.product", "Squid", ""),
    "f5_big_ip": ("observer.vendor", "F5", "CEF:"), "fireeye": ("observer.vendor", None, "CEF:"),
    "panda_paps": ("observer.vendor", "Panda Security", "LEEF:"),
}
IP = r"(\d{1,3}(?:\.\d{1,3}){3})"
# What a reader finds in a line, by patterns that have nothing to do with the formats' own.
HELD: dict[str, tuple[str, ...]] = {
    "source.address": (
        rf"\b(?:srcip|remip|SRC|SrcIp|src)=\"?{IP}", rf'\bsrc:"{IP}"', rf"\bui=\"?\w+\({IP}\)",
        rf"\bfrom (?:[\w-]+:)?{IP}", rf"\bsrc \[?\w+: ?{IP}", rf"\bsrc {IP}", rf"\[{IP}:\d+ ->",
        rf"(?:denied|permitted) \w+ {IP}\(", rf"^\d+\.\d+ +\d+ {IP} ", rf"Shunned packet: {IP}",
    ),
    "user.name": (
        r'\buser="([^"]+)"', r"\bUser='?([\w.-]+)'?[,)]", r"[ ,]User = (\w+)", r'for user "(\w+)"', r"\busrName=(\w+)",
        r"^%\w+-\d-\d+: User (\w+) executed",
    ),
    "event.action": (
        r'\baction:"([^"]+)"', r'\baction="?([\w-]+)"?', r"\bAction=(\w+)", r"\bstatus=(deny|accept)\b",
        r" list \S+ (denied|permitted) ", r"\bact=(\w+)", r" (TCP_\w+)/\d",
    ),
}


def wazuh_lines(name: str) -> list[bytes]:
    """The log lines of one file of wazuh-tests that are the product's."""
    text = read(ROOT / "wazuh-tests" / f"{name}.ini")
    found = re.findall(rb"^log \d+ (?:pass|fail) = (.*?)\r?$", text, re.MULTILINE)
    return [line for line in dict.fromkeys(found) if WAZUH[name][2].encode() in line]


def wazuh(form: str = "") -> Tally:
    """Lines recognised as their product, with the source address, user and action that they hold."""
    results = []
    for name, (field, wanted, _) in WAZUH.items():
        if not (ROOT / "wazuh-tests" / f"{name}.ini").exists():
            continue
        lines = wazuh_lines(name)
        found = events(lines, form)
        for number, line in enumerate(lines):
            event = found.get(number, {})
            known = event.get(field) == wanted if wanted else bool(event.get(field))
            missed = [what for what, value in _held(line.decode("utf-8", "replace")) if not _says(event, what, value)]
            results.append((known and not missed, f"{name}: {missed or 'product'}: {line[:160]!r}"))
    return tally(results)


def _held(line: str) -> Iterator[tuple[str, str]]:
    """(column, value) that the line plainly holds."""
    for column, patterns in HELD.items():
        for pattern in patterns:
            if (match := re.search(pattern, line)) is not None:
                yield column, match[1]
                break


def _says(event: dict[str, Any], column: str, value: str) -> bool:
    others = ("user.target.name", "source.user.name") if column == "user.name" else ()
    return any(str(event.get(name, "")).lower() == value.lower() for name in (column, *others))


# folder of crowdsec-hub/tests → the format to name where content cannot tell it
CROWDSEC = {
    "haproxy-logs": "", "iptables-scan-multi-port": "", "modsecurity": "", "modsecurity-logs": "",
    "modsecurity-logs-nginx": "", "modsecurity-nginx": "", "unifi-cef": "", "cef-logs": "", "fortinet-vpn-bf": "",
    "traefik_json": "traefik", "tcpudp-flood-traefik": "traefik",
}
META = {
    "source_ip": "source.address", "http_status": "http.response.status_code", "http_verb": "http.request.method",
    "user": "user.name", "username": "user.name", "target_user": "user.name", "rule_id": "rule.id",
    "timestamp": "@timestamp",
}
PARSED = re.compile(r'^results\["s01-parse"\]\["[^"]+"\]\[(\d+)\]\.Success == true$', re.MULTILINE)
ASSERTED = re.compile(
    r'^results\["(s0[12]-[a-z]+)"\]\["([^"]+)"\]\[(\d+)\]\.Evt\.Meta\["(\w+)"\] == "((?:[^"\\]|\\.)*)"$', re.MULTILINE)


def crowdsec() -> Tally:
    """Fields of parser.assert: source address, time, status, user; times without a year lose it, ours with a zone "
    "stay."""
    results = []
    for folder, form in CROWDSEC.items():
        root = ROOT / "crowdsec-hub" / "tests" / folder
        asserted = next((path for path in (root / "parser.assert", root / "parser.assert.gz") if path.exists()), None)
        log = next(iter(root.glob("*.log*")), None) if root.exists() else None
        if asserted is None or log is None:
            continue
        lines = [line for line in read(log).split(b"\n") if line.strip()]
        found = events(lines, form)
        seen = set()
        said = read(asserted).decode()
        parsed = sorted({int(place) for place in PARSED.findall(said)})  # later stages count only what was parsed
        for stage, _, place, name, value in ASSERTED.findall(said):
            column, number = META.get(name), int(place)
            if stage != "s01-parse":
                number = parsed[number] if number < len(parsed) else len(lines)
            if column is None or number >= len(lines) or (number, name) in seen:
                continue
            seen.add((number, name))
            if name == "timestamp" and b'tz="' in lines[number]:
                continue  # they read the device's clock as UTC whatever its offset
            ours = found.get(number, {}).get(column)
            results.append((equal(name, json.loads(f'"{value}"'), ours),
                f"{folder} {number} {name}: {value} not {ours}"))
    return tally(results)


def equal(name: str, wanted: str, found: Any) -> bool:
    if name != "timestamp":
        return str(found) == wanted
    if not isinstance(found, datetime):
        return False
    try:
        known = datetime.fromisoformat(wanted)
    except ValueError:
        return False
    return abs((found - known.replace(year=found.year)).total_seconds()) < 1 or abs((found - known).total_seconds()) < 1


BEATS = {"iis/access": "iis", "iis/error": "iis", "haproxy/log": "haproxy", "traefik/access": "traefik"}
# what ECS 8.0 did not say or 9.4 does otherwise, and what other parts of the platform add
ELSEWHERE = re.compile(
    r"\.geo\.|\.as\.|^log\.(offset|file|flags)|^input\.|^fileset\.|^user_agent\.(?!original)|^ecs\.version|^agent\.|^tags"
    r"|^event\.(original|ingested|created|timezone)")
REVIEWED = {
    # ECS: the address "as seen in the event source"; their pipeline leaves the query out, which rules must see
    ("iis/access", "url.original"),
}


def beats() -> Tally:
    """ECS fields equal to the expected documents."""
    with (ROOT / "ecs" / "fields.csv").open(encoding="utf-8") as opened:
        fields = {row["Field"] for row in csv.DictReader(opened)}
    results = []
    for name, form in BEATS.items():
        for path in sorted((ROOT / "beats-oss-modules" / name).glob("*-expected.json*")):
            log = path.with_name(path.name.split("-expected")[0])
            lines = read(log if log.exists() else log.with_name(log.name + ".gz")).split(b"\n")
            lines = lines[:-1] if lines[-1] == b"" else lines
            found = events(lines, form, "Etc/GMT+2")
            for wanted, number in zip(json.loads(read(path)), sorted(found), strict=False):
                for field, value in wanted.items():
                    if field in fields and not ELSEWHERE.search(field) and (name, field) not in REVIEWED:
                        ours = found[number].get(field)
                        results.append((_same(field, value, ours), f"{name} {field}: {value!r} not {ours!r}"))
    return tally(results)


def _same(field: str, wanted: Any, found: Any) -> bool:
    if field == "@timestamp":
        return isinstance(found, datetime) and datetime.fromisoformat(wanted) == found
    if isinstance(wanted, list):
        return sorted(set(map(str, wanted))) == sorted(set(map(str, found or [])))
    return bool(wanted == found)


FAIL2BAN = {"squid": "", "haproxy-http-auth": "", "apache-modsecurity": "", "traefik-auth": "traefik"}


def fail2ban() -> Tally:
    """Offending lines: the outcome is failure and the address the labelled one."""
    results = []
    for name, form in FAIL2BAN.items():
        path = ROOT / "fail2ban" / name
        labels: list[dict[str, Any]] = []
        lines: list[bytes] = []
        label: dict[str, Any] | None = None
        for line in path.read_bytes().splitlines() if path.exists() else ():
            if line.startswith(b"# failJSON:"):
                label = json.loads(line.partition(b":")[2])
            elif line.strip() and not line.startswith(b"#") and label is not None:
                labels.append(label)
                lines.append(line)
                label = None
        found = events(lines, form)
        for number, (told, line) in enumerate(zip(labels, lines, strict=True)):
            event = found.get(number, {})
            right = not told.get("match") or (
                event.get("source.address") == told.get("host") and event.get("event.outcome") == "failure")
            results.append((right,
                f"{name}: {event.get('source.address')} {event.get('event.outcome')}: {line[:120]!r}"))
    return tally(results)


def plaso() -> Tally:
    """Every IIS line but the directives is an event with time and client; every alert of Snort's too."""
    results = []
    for path in sorted((ROOT / "plaso-testdata" / "iis").glob("*")):
        lines = read(path).split(b"\n")
        found = events(lines)
        for number, line in enumerate(lines):
            if line.strip() and not line.startswith(b"#"):
                event = found.get(number, {})
                right = event.get("event.module") == "iis" and {"@timestamp", "source.ip"} <= event.keys()
                results.append((right, f"{path.name}: {line[:160]!r}"))
    path = ROOT / "plaso-testdata" / "suricata_alert_fast.log"
    lines = [line for line in read(path).split(b"\n") if line] if path.exists() else []
    found = events(lines)
    results += [(found.get(n, {}).get("event.module") == "snort" and "source.ip" in found[n], f"{line[:160]!r}")
                for n, line in enumerate(lines)]
    return tally(results)


MEASURES = (
    ("wazuh-tests: product, address, user, action", lambda: wazuh(), 0.97),
    ("wazuh-tests: the same through the syslog door", lambda: wazuh("syslog"), 0.97),
    ("crowdsec-hub parser.assert: address, time, status, user", crowdsec, 0.98),
    ("beats-oss-modules iis, haproxy, traefik: ECS fields", beats, 0.98),
    ("fail2ban squid, haproxy, modsecurity, traefik: offender", fail2ban, 0.98),
    ("plaso-testdata IIS, Snort: lines with time and client", plaso, 1.0),
)


def figures() -> list[dict[str, Any]]:
    """One figure a corpus: the share that is right."""
    return measured(MEASURES)
