"""H3C: messages of Comware switches, routers and firewalls: `%%10SHELL/5/SHELL_LOGIN: admin logged in from …`.

https://www.h3c.com/en/Support/Resource_Center/Technical_Documents (log message reference). Firewalls write
`Name(number)=value` pairs; account names come from the other end and addresses are read only around them.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

from collectors.formats._device import share
from collectors.formats._json import Record
from collectors.formats._pairs import put
from collectors.formats._records import Made, parsed
from collectors.formats.huawei import judged, take
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = ("%%10",)
MARK = r"%%10[A-Za-z][\w-]*/\d/\w+(?:\([a-z]+\))?:"
ABSENT = "no message of H3C's Comware"
BODY = re.compile(r"^%%10([A-Za-z][\w-]*)/(\d)/(\w+)(?:\(([a-z]+)\))?: ?(.*)$", re.DOTALL | re.ASCII)
SLOT = re.compile(r"^-(?:Chassis=\S+-|DevIP=(?P<device>[0-9a-fA-F.:]+);? ?|Context=\S+;? ?|Slot=\S+;? ?)+ ?")
PAIR = re.compile(r"([A-Za-z][\w ]{0,40}?)\((\d{4})\)=([^;]*)(?:;|$)")
SAID = tuple(re.compile(one) for one in (
    r"^(?P<user>.*) logged in from (?P<ip>[0-9a-fA-F.:]*[0-9a-fA-F])\.?$",
    r"^(?P<user>.*) logged out from (?P<ip>[0-9a-fA-F.:]*[0-9a-fA-F])\.?$",
    r"^(?P<user>.*) failed to log in from (?P<ip>[0-9a-fA-F.:]+)(?: on .*)?\.?$",
    r"^-Line=\S+-IPAddr=(?P<ip>[0-9a-fA-F.:]+)-User=(?P<user>.*); Command is (?P<command>.*)$",
    r"^SSH user (?P<user>.*) \(IP: (?P<ip>[0-9a-fA-F.:]+)\) .*$",
    r"^Authentication failed for (?P<user>.*) from (?P<ip>[0-9a-fA-F.:]+) port \d+(?: because of (?P<why>.*))?\.?$",
))
COLUMNS = {"user": "user.name", "ip": "source.address", "command": "process.command_line", "why": "event.reason"}
NAMES = {
    "srcipaddr": "source.address", "dstipaddr": "destination.address", "srcport": "source.port",
    "dstport": "destination.port", "protocol": "network.transport", "application": "network.application",
    "username": "user.name", "action": "event.action", "policyname": "rule.ruleset", "attackname": "rule.name",
    "signaturename": "rule.name", "virusname": "rule.name", "attackid": "rule.id", "ruleid": "rule.id",
    "srczonename": "observer.ingress.zone", "dstzonename": "observer.egress.zone", "acl": "rule.name",
    "rcvifname": "observer.ingress.interface.name", "initpktcount": "source.packets", "initbytecount": "source.bytes",
    "rplypktcount": "destination.packets", "rplybytecount": "destination.bytes", "natsrcipaddr": "source.nat.ip",
    "natsrcport": "source.nat.port", "natdstipaddr": "destination.nat.ip", "natdstport": "destination.nat.port",
    "url": "url.original", "httphost": "url.domain", "begintimee": "event.start", "srcmacaddr": "source.mac",
}
ADDRESSES = frozenset(("srcipaddr", "dstipaddr", "natsrcipaddr", "natdstipaddr"))
BASE: dict[str, Any] = {"event.kind": "event", "observer.vendor": "H3C", "event.module": "h3c", "service.type": "h3c",
    "event.dataset": "h3c.comware", "observer.product": "Comware"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each message of Comware's is one event; other lines are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="h3c", record=_record, kind=_kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with Comware's head."""
    return 0.985 * share(lines, MARK)


def _record(text: str) -> Made | None:
    head = BODY.match(text)
    if head is None:
        return None
    module, level, name, sort, said = head.groups()
    row: Record = {}
    for key, number, value in PAIR.findall(said[:20_000]):
        put(row, key.strip(), value.strip())
        row.setdefault("numbers", {})[key.strip()] = number
    found, rest = take(row, NAMES, ADDRESSES)
    slot = SLOT.match(said)
    plain = said[slot.end() :] if slot else said
    if slot and slot["device"]:
        rest["device_ip"] = slot["device"]
    for shape in SAID if not row else ():
        if (told := shape.match(plain)) is not None:
            found |= {COLUMNS[key]: value for key, value in told.groupdict().items() if value}
            break
    found |= {"message": said, "event.code": f"{module}/{name}", "event.severity": level, "event.provider": module}
    return found, rest | ({"log_type": sort} if sort else {})


def _kind(found: Record, rest: Record) -> Hashable:
    return str(found["event.provider"]), str(found["event.code"]).partition("/")[2], str(found.get("event.action", ""))


def _fixed(kind: tuple[str, str, str]) -> dict[str, Any]:
    module, name, action = kind
    extra = {"FILTER": "POLICY", "ASPF": "POLICY", "NAT": "POLICY", "ACL": "POLICY", "PFILTER": "POLICY", "WAF": "IPS",
        "ANTI-VIRUS": "AV", "ATTACK": "ATK"}.get(module.upper(), module)
    return BASE | judged(extra, name, action, "h3c") | {"sigma.logsource": [
        *(["/firewall/"] if extra in ("POLICY", "IPS", "ATK", "AV") else []), "h3c//", f"h3c//{module.lower()}"]}
