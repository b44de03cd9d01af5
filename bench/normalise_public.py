"""Public recordings against what other projects expect: ECS fields, parsed fields, offenders, declared columns.

Half of each set (SOC_CORPORA), through the door of everything: the format is found by content. beats-oss-modules
for the ECS documents of all modules whose product we name, crowdsec-hub for parser.assert, fail2ban for offenders
and for lines that are none. What ECS 9.4 says otherwise than 8.0, and what a product's own documentation says
otherwise than the recording, is in REVIEWED, with its reason, and is not counted.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from bench._recordings import ROOT, Tally, events, measured, read, tally
from bench.normalise_devices import ASSERTED, META, PARSED, equal

MODULES = (
    "apache/access", "apache/error", "auditd/log", "haproxy/log", "iis/access", "iis/error", "mongodb/log",
    "mysql/error", "mysql/slowlog", "nginx/access", "nginx/error", "postgresql/log", "redis/log", "system/auth",
    "system/syslog", "traefik/access",
)
# (module, field): why the recording's value is not counted
REVIEWED = {
    ("system/auth", "event.type"): "authentication_success and authentication_failure are no values of 9.4",
    ("postgresql/log", "event.type"): "info, where 9.4 has connection, start and error for the same record",
    ("postgresql/log", "event.category"): "9.4 allows several: a login to a database is authentication besides",
    ("redis/log", "event.type"): "info, where 9.4 has connection and start for the same record",
    ("redis/log", "event.category"): "9.4 allows several: an accepted connection is of the network besides",
    ("mysql/error", "event.type"): "info, where 9.4 has access for a statement of the general log",
    ("auditd/log", "event.type"): "info, where 9.4's auditd integration has start, end, change for the same record",
    ("auditd/log", "event.category"): "by the record's own type in 9.4's auditd integration",
    ("iis/access", "url.original"): "ECS: as seen in the event source; their pipeline leaves the query out",
    ("iis/access", "related.ip"): "ECS: all addresses of the event; theirs leaves out the forwarded client",
    ("auditd/log", "event.action"): "named by the record's own type in 9.4's auditd integration",
    ("mysql/error", "event.dataset"): "lines of the general log among the error log are said to be such",
    ("mysql/error", "message"): "the same lines: their command is in event.action",
}
ELSEWHERE = re.compile(
    r"\.geo\.|\.as\.|^log\.(offset|file|flags)|^input\.|^fileset\.|^user_agent\.(?!original)|^ecs\.version|^agent\.|"
    r"^tags"
    r"|^event\.(original|ingested|created|timezone|start|end)")


@cache
def ecs() -> frozenset[str]:
    """Names of ECS 9.4's fields."""
    with (ROOT / "ecs" / "fields.csv").open(encoding="utf-8") as opened:
        return frozenset(row["Field"] for row in csv.DictReader(opened))


def lines(path: Path) -> list[bytes]:
    """A recording's lines, blank ones too."""
    found = read(path).split(b"\n")
    return found[:-1] if found[-1] == b"" else found


@cache
def beats_cases(module: str) -> list[tuple[Path, list[dict[str, Any]], list[dict[str, Any]]]]:
    """(log, expected documents, our events) of each case; documents are at most the first hundred."""
    cases = []
    for path in sorted((ROOT / "beats-oss-modules" / module).glob("*-expected.json*")):
        log = path.with_name(path.name.split("-expected")[0])
        found = events(lines(log if log.exists() else log.with_name(log.name + ".gz")), "", "Etc/GMT+2")
        cases.append((path, json.loads(read(path)), [found[number] for number in sorted(found)]))
    return cases


def beats_fields(*modules: str) -> Tally:
    """ECS fields equal to those of the expected documents."""
    results = []
    for module in modules or MODULES:
        for path, wanted, found in beats_cases(module):
            for want, ours in zip(wanted, found, strict=False):
                for field, value in want.items():
                    if field in ecs() and not ELSEWHERE.search(field) and (module, field) not in REVIEWED:
                        results.append((same(value, ours.get(field)),
                            f"{path.name} {field}: {value!r} not {ours.get(field)!r}"))
    return tally(results)


def beats_whole() -> Tally:
    """Cases with as many documents as expected, none of them bare text."""
    results = []
    for module in MODULES:
        for path, wanted, found in beats_cases(module):
            whole = min(len(found), 100) == min(len(wanted), 100)
            known = all(event.get("event.module") not in ("text", None) for event in found)
            results.append((whole and known, f"{module} {path.name}: {len(found)} of {len(wanted)}"))
    return tally(results)


def same(wanted: Any, found: Any) -> bool:
    """Equal as Elasticsearch sees it: times to the millisecond, one value or a list of it, numbers as text."""
    if isinstance(found, datetime):
        known = datetime.fromisoformat(wanted) if isinstance(wanted, str) else None
        return known is not None and abs((known - found).total_seconds()) < 0.001
    ours = sorted({str(one) for one in found}) if isinstance(found, list) else [str(found)]
    theirs = sorted({str(one) for one in wanted}) if isinstance(wanted, list) else [str(wanted)]
    if ours != theirs and isinstance(wanted, int | float) and isinstance(found, int | float):
        return abs(wanted - found) <= 1e-6 * abs(wanted)  # their durations went through a float of 32 bits
    return ours == theirs


# folders of crowdsec-hub/tests whose lines are of products that we name
HUB = (
    "CVE-", "apache", "auditd", "aws-cloudtrail", "bind9", "cef", "fortinet", "haproxy", "http-", "iis-logs",
    "iptables", "k8s", "laurel", "mariadb", "modsecurity", "mongodb", "mysql", "netgear_rce", "nginx", "pam", "pgsql",
    "spring4shell", "ssh", "supabase-docker", "tcpudp", "traefik", "unifi",
)
NOT_OURS = ("apache-guacamole", "http-generic-test")


def crowdsec() -> Tally:
    """Source address, time, status, verb and user of parser.assert."""
    results = []
    for root in sorted((ROOT / "crowdsec-hub" / "tests").iterdir()):
        asserted = next((path for path in (root / "parser.assert", root / "parser.assert.gz") if path.exists()), None)
        log = next(iter(root.glob("*.log*")), None)
        if asserted is None or log is None or not root.name.startswith(HUB) or root.name.startswith(NOT_OURS):
            continue
        held = [line for line in read(log).split(b"\n") if line.strip()]
        results += list(_asserted(root.name, read(asserted).decode(), held))
    return tally(results)


def _asserted(folder: str, said: str, held: list[bytes]) -> Iterator[tuple[bool, str]]:
    found, seen = events(held), set()
    parsed = sorted({int(place) for place in PARSED.findall(said)})  # later stages count only what was parsed
    for stage, _, place, name, value in ASSERTED.findall(said):
        column, number = META.get(name), int(place)
        if stage != "s01-parse":
            number = parsed[number] if number < len(parsed) else len(held)
        if column is None or number >= len(held) or (number, name) in seen:
            continue
        seen.add((number, name))
        if name == "timestamp" and b'tz="' in held[number]:
            continue  # they read the device's clock as UTC whatever its offset
        ours = found.get(number, {}).get(column)
        yield equal(name, json.loads(f'"{value}"'), ours), f"{folder} {number} {name}: {value} not {ours}"


# file of wazuh-tests → module of the events that its lines must become
KNOWN = {
    "sshd": "system", "pam": "system", "su": "system", "apache": "apache", "nginx": "nginx", "web_appsec": "apache",
    "auditd": "auditd", "audit_scp": "auditd", "squid_rules": "squid", "iptables": "iptables", "sysmon": "windows",
    "sysmon_eid_1": "windows", "sysmon_eid_3": "windows", "sysmon_eid_7": "windows", "sysmon_eid_8": "windows",
    "sysmon_eid_10": "windows", "sysmon_eid_11": "windows", "sysmon_eid_13": "windows", "sysmon_eid_20": "windows",
    "win_event_channel": "windows", "win_security": "windows", "powershell": "windows",
}


def wazuh() -> Tally:
    """Lines of servers and Windows recognised as their product; devices have a measure of their own."""
    results = []
    for name, module in KNOWN.items():
        path = ROOT / "wazuh-tests" / f"{name}.ini"
        said = re.findall(rb"^log \d+ (?:pass|fail) = (.*?)\r?$", read(path), re.MULTILINE) if path.exists() else []
        held = list(dict.fromkeys(said))
        found = events(held) if held else {}
        for number, line in enumerate(held):
            known = found.get(number, {}).get("event.module")
            results.append((known == module, f"{name}: {known}: {line[:140]!r}"))
    return tally(results)


OFFENDERS = (
    "sshd", "sshd-journal", "pam-generic", "apache-auth", "apache-badbots", "apache-botsearch", "apache-modsecurity",
    "apache-nohome", "apache-noscript", "apache-overflows", "nginx-bad-request", "nginx-botsearch", "nginx-forbidden",
    "nginx-http-auth", "nginx-limit-req", "squid", "haproxy-http-auth", "openvpn", "mysqld-auth", "named-refused",
    "traefik-auth", "selinux-ssh",
)
# of these the recording says "no offender", as another line of the same attempt is counted: they are failures
ANOTHER_COUNTS = re.compile(
    rb"authentication failure;|Failed publickey|Too many authentication failures|Disconnected from authenticating user"
    rb"|invalid nonce|USER_LOGIN| 40[13] |denied by server")


@cache
def offenders() -> list[tuple[str, dict[str, Any], bytes, dict[str, Any]]]:
    """(file, label, line, our event) of each labelled line."""
    rows = []
    for name in OFFENDERS:
        label: dict[str, Any] | None = None
        labelled: list[tuple[dict[str, Any], bytes]] = []
        path = ROOT / "fail2ban" / name
        for line in path.read_bytes().splitlines() if path.exists() else ():
            if line.startswith(b"# failJSON:"):
                label = json.loads(line.partition(b":")[2])
            elif line.strip() and not line.startswith(b"#") and label is not None:
                labelled.append((label, line))
                label = None
        found = events([line for _, line in labelled])
        for number, (told, line) in enumerate(labelled):
            rows.append((name, told, line, found.get(number, {})))
    return rows


def offending() -> Tally:
    """Failing lines say failure, with the address of the label where the line holds it."""
    results = []
    for name, told, line, event in offenders():
        if told.get("match"):
            host = told.get("host") or told.get("ip4") or told.get("ip6")
            right = event.get("source.address") in (host, f"::ffff:{host}") or ((
                host is None or host.encode() not in line) and "source.address" not in event)
            results.append((right and event.get("event.outcome") == "failure",
                f"{name}: {event.get('source.address')} {event.get('event.outcome')}: {line[:140]!r}"))
    return tally(results)


def innocent() -> Tally:
    """Lines that are no offence give no failing address; those left out are failures that another line counts for."""
    return tally([(event.get("event.outcome") != "failure" or "source.address" not in event, f"{name}: {line[:140]!r}")
                  for name, told, line, event in offenders()
                  if not told.get("match") and not ANOTHER_COUNTS.search(line)])


def trapped() -> Tally:
    """Whatever the line says, the address is the label's, or none."""
    return tally([(event.get("source.address") in (None, told["host"], f"::ffff:{told['host']}"),
                   f"{name}: {event.get('source.address')} not {told['host']}: {line[:140]!r}")
                  for name, told, line, event in offenders() if "host" in told])


def declared() -> Tally:
    """Every column of every event of these recordings is in the schema."""
    from soc_core.schema import SCHEMA

    columns = {name for module in MODULES for _, _, found in beats_cases(module) for event in found for name in event}
    columns |= {name for *_, event in offenders() for name in event}
    return tally([(SCHEMA.get(name) is not None, name) for name in sorted(columns)])


MEASURES = (
    ("beats-oss-modules of the products named: ECS fields equal", beats_fields, 0.98),
    ("beats-oss-modules of the products named: cases parsed whole", beats_whole, 1.0),
    ("crowdsec-hub parser.assert of the products named", crowdsec, 0.98),
    ("wazuh-tests of servers and Windows: recognised as their product", wazuh, 0.97),
    ("fail2ban: failing lines say failure, with the offender", offending, 0.98),
    ("fail2ban: lines of no offence give no failing address", innocent, 0.99),
    ("fail2ban: no address but the label's", trapped, 0.995),
    ("columns of these recordings declared", declared, 1.0),
)


def figures() -> list[dict[str, Any]]:
    """One figure a measure: the share that is right."""
    return measured(MEASURES)
