"""Security devices that write pairs: `src_ip=192.0.2.1 action=deny …`, and Sangfor's `源IP:192.0.2.1, 动作:拒绝`.

For makers without a format of their own (Sangfor, Sophos, Topsec, NSFOCUS, …): usual names of addresses, ports, users
and actions become columns, whatever their letter case. Three pairs make a record. An address named twice is not read.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

from collectors.formats._device import share
from collectors.formats._json import Record
from collectors.formats._pairs import AGAIN, put, spaced
from collectors.formats._records import NOBODY, Made, mapped, parsed, verdict
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = ("日志类型", "源IP", "源ip", "源地址", "源 IP", 'device="', "fwlog: ", "src_ip=", "srcip=", "SrcIP=")
WORD = r"[A-Za-z_\x{4e00}-\x{9fff}][^,，:：=\s]*"
NAME = r"[A-Za-z_][A-Za-z0-9_.-]*"
MARK = (
    rf"{NAME}=(?:\x22(?:[^\x22\\]|\\.)*\x22|[^\s=\x22]*)[,;]? +{NAME}="
    rf"|{WORD}[:：][^,，]*[,，] ?{WORD}[:：]"
)
ABSENT = "fewer than three name=value pairs"
LABELLED = re.compile(r"(?:^|[,，] ?)([^,，:：=]{1,40})[:：]([^,，]*)")
ADDRESS, TARGET = "source.address", "destination.address"
NAMES = {
    **dict.fromkeys(("srcip", "sip", "src", "sourceip", "srcaddr", "sourceaddress",
        "clientip", "remoteip", "attackip",
        "源ip", "源地址", "源ip地址", "客户端ip", "攻击ip", "用户ip", "登录ip", "主机ip", "attackerip"), ADDRESS),
    **dict.fromkeys(("dstip", "dip", "dst", "destip", "destinationip", "dstaddr",
        "destaddr", "serverip", "targetip",
        "目的ip", "目标ip", "目的地址", "目的ip地址", "服务器ip", "victimip"), TARGET),
    **dict.fromkeys(("srcport", "sport", "sourceport", "clientport", "源端口"), "source.port"),
    **dict.fromkeys(("dstport", "dport", "destport", "destinationport", "serverport", "目的端口", "目标端口"),
        "destination.port"),
    **dict.fromkeys(("user", "username", "usr", "account", "loginname", "用户", "用户名",
        "用户名称", "账号", "登录账号"),
        "user.name"),
    **dict.fromkeys(("action", "act", "status", "logsubtype", "系统动作", "动作", "处理动作",
        "响应动作"), "event.action"),
    **dict.fromkeys(("proto", "protocol", "协议", "协议类型"), "network.transport"),
    **dict.fromkeys(("app", "application", "appname", "应用名称", "应用"), "network.application"),
    **dict.fromkeys(("rulename", "attackname", "signature",
        "eventname", "漏洞名称",
        "攻击名称", "规则名称", "威胁名称"), "rule.name"),
    **dict.fromkeys(("policyname", "fwrulename", "策略名称"), "rule.ruleset"),
    **dict.fromkeys(("ruleid", "policyid", "fwruleid", "sid", "规则id", "漏洞id", "策略id"), "rule.id"),
    **dict.fromkeys(("attacktype", "category", "攻击类型", "威胁类型", "应用类型"), "rule.category"),
    **dict.fromkeys(("url", "uri", "requesturi", "网址"), "url.original"),
    **dict.fromkeys(("host", "domain", "域名"), "url.domain"),
    **dict.fromkeys(("method", "请求方法"), "http.request.method"),
    **dict.fromkeys(("msg", "message", "描述", "详细信息", "description"), "message"),
    **dict.fromkeys(("reason", "原因"), "event.reason"),
    **dict.fromkeys(("level", "severity", "priority", "pri", "严重级别", "威胁等级", "级别"), "log.level"),
    **dict.fromkeys(("devname", "devicename", "设备名称"), "observer.name"),
    **dict.fromkeys(("srcmac", "源mac"), "source.mac"), **dict.fromkeys(("dstmac",
        "目的mac"), "destination.mac"),
    **dict.fromkeys(("sentbytes", "sentbyte", "sendbytes", "上行流量"), "source.bytes"),
    **dict.fromkeys(("recvbytes", "rcvdbyte", "recvbyte", "下行流量"), "destination.bytes"),
    **dict.fromkeys(("filename", "文件名", "文件名称"), "file.name"), **dict.fromkeys(("time",
        "datetime", "eventtime",
        "logtime", "时间", "发生时间"), "@timestamp"),
}
DAYS = re.compile(r"^\d{4}[-/]\d\d[-/]\d\d$")
CLOCK = re.compile(r"^\d\d:\d\d:\d\d")
WHOLE = re.compile(r"^(?:\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d|\d{10,19}$)")
ATTACK = re.compile(r"attack|threat|ips|intrusion|waf|漏洞|攻击|威胁|入侵|僵尸", re.I)
VIRUS = re.compile(r"virus|malware|病毒|木马", re.I)
LOGIN = re.compile(r"log-?in|logon|auth|登录|认证", re.I)
FAIL = re.compile(r"fail|deny|denied|invalid|reject|失败|拒绝", re.I)
KIND = ("type", "logtype", "subtype", "logcomponent", "日志类型", "事件类型", "category", "subcategory")
MAKERS = {"SFW": ("Sophos", "Firewall")}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each line with three pairs or more is one event; others are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="key_value", record=_record, kind=_kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that begin with pairs; any format that knows its device is surer."""
    return 0.75 * share(lines, MARK)


def _record(text: str) -> Made | None:
    row = _labelled(text) if "=" not in text.partition(" ")[0] else spaced(text)
    if sum(name not in ("text", AGAIN) for name in row) < 3:
        return None
    again = {_plain(name) for name in row.get(AGAIN, ())}
    usable: Record = {}
    for name, value in row.items():
        plain = _plain(name)
        column = NAMES.get(plain)
        doubted = plain in again and column in (ADDRESS, TARGET)
        blank = not isinstance(value, str) or (value.strip().lower() in NOBODY and column != "user.name")
        if column and plain not in usable and not doubted and not blank:
            usable[plain] = value.strip()
    stamp = _stamp(row, usable)
    found, _ = mapped({name: value for name, value in usable.items() if NAMES[name] != "@timestamp"}, NAMES)
    kept = {name for name in usable if usable[name] == found.get(NAMES[name])}
    taken: set[str] = set()
    rest: Record = {}
    for name, value in row.items():
        plain = _plain(name)
        if plain in kept and plain not in taken and isinstance(value, str):
            taken.add(plain)
        else:
            rest[name] = value
    found |= {"@timestamp": stamp} if stamp else {}
    if "rule.ruleset" in found:
        found.setdefault("rule.name", found["rule.ruleset"])
    for port in ("source.port", "destination.port"):
        if port in found and not str(found[port]).isdecimal():
            rest[port] = found.pop(port)
    if "observer.name" in found:
        found["host.name"] = found["host.hostname"] = found["observer.name"]
    return found, rest


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "").replace(".", "")


def _labelled(text: str) -> Record:
    row: Record = {}
    for name, value in LABELLED.findall(text):
        put(row, name.strip(), value.strip())
    return row


def _stamp(row: Record, usable: Record) -> str | None:
    """One field that holds it whole, or the date and the time beside each other."""
    for name, value in usable.items():
        if NAMES[name] == "@timestamp" and WHOLE.match(value):
            return str(value)
    day, clock = str(row.get("date", "")), str(row.get("time", ""))
    return f"{day}T{clock[:8]}" if DAYS.match(day) and CLOCK.match(clock) else None


def _kind(found: Record, rest: Record) -> Hashable:
    words = [value for name, value in rest.items() if isinstance(value, str) and _plain(name) in KIND]
    about = " ".join([*words, str(found.get("rule.category", ""))])
    topic = ("malware" if VIRUS.search(about) else "attack" if ATTACK.search(about) else
             "login" if LOGIN.search(about) else "flow" if ADDRESS in found and TARGET in found else "")
    action = str(found.get("event.action", ""))
    said = f"{action} {found.get('event.reason', '')} {found.get('message', '')}"
    return topic, action, bool(FAIL.search(said)), str(rest.get("device", ""))


def _fixed(kind: tuple[str, str, bool, str]) -> dict[str, Any]:
    topic, action, failed, device = kind
    done = verdict(action)
    maker, product = MAKERS.get(device, ("", ""))
    base: dict[str, Any] = {"event.kind": "event", "event.module": "key_value", "event.dataset": "key_value.log",
        "service.type": "key_value", **({"observer.vendor": maker, "observer.product": product} if maker else {})}
    if topic == "login":
        return base | {"event.category": ["authentication"], "event.type": ["start"],
            "event.outcome": "failure" if failed else "success"}
    if topic in ("attack", "malware"):
        name = "malware" if topic == "malware" else "intrusion_detection"
        tags = ["/firewall/", *(["/antivirus/"] if topic == "malware" else [])]
        return base | {"event.kind": "alert", "event.category": [name, "network"], "event.type": ["info", *done],
            "observer.type": "firewall", "sigma.logsource": tags}
    if topic == "flow":
        return base | {"event.category": ["network"], "event.type": ["connection", *done], "event.outcome": "success",
            "observer.type": "firewall", "sigma.logsource": ["/firewall/"]}
    return base | {"event.category": ["host"], "event.type": ["info"]}
