"""Remote access: OpenVPN, strongSwan, Pulse/Ivanti Connect Secure, and SSL VPNs that write pairs, Sangfor's way too.

https://openvpn.net/community-resources/reference-manual-for-openvpn-2-6/ and
https://docs.strongswan.org/docs/latest/config/logging.html. The peer is the address that the server itself writes;
user names, certificates' subjects and reasons are foreign text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from collectors.formats import _service
from collectors.formats._frames import by_value, over
from collectors.formats._json import series
from collectors.formats._pairs import AGAIN, put, spaced
from collectors.formats._service import Service
from collectors.formats._text import Shape
from soc_core.protocols import Context, Parsed

PROGRAMS = ("openvpn", "ovpn", "charon", "strongswan", "pulsesecure", "sslvpn", "vpn", "easyconnect", "svpn", "ipsec")
PEER = (r"(?P<source.address>\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})"
        r":(?P<source.port>\d{1,5})")
OWN = (r"^(?:(?P<iso_>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) |[A-Z][a-z]{2} (?P<month_>[A-Z][a-z]{2}) {1,2}(?P<date_>\d{1,2}) "
       r"(?P<clock_>\d\d:\d\d:\d\d) (?P<year_>\d{4}) )?(?:us=(?P<part_>\d{1,6}) )?")
BEFORE = (r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d |[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4} )?"
          r"(?:us=\d{1,6} )?")
END = r"(?:[^\s/]{1,128}/)?(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}):\d{1,5} "
IKE = r"\d{2}\[[A-Z]{3}\] "
PAIRED = (r"(?:(?:AUTH|SESSION) - )?(?:user|username|usr)=|(?:\[[^\]]{1,32}\] ?)?(?:用户名?|用户名称|登录名)[:：=]")
PULSE = r"(?:id=firewall .{0,200} msg=\x22|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - \S+ - \[[0-9A-Fa-f.:]+\] )"
MARK = rf"{BEFORE}(?:{END}|TLS: |TLS Error|Initialization Sequence|MULTI: |PLUGIN_|MANAGEMENT: )|{IKE}|{PULSE}|{PAIRED}"
WORDS = r"(?s:.*)$"
LINK = {"event.category": ["network"], "event.type": ["connection", "info"]}
LOGIN = {"event.category": ["authentication", "network"], "event.type": ["start"]}
FAILED = LOGIN | {"event.outcome": "failure", "event.action": "login"}
OPENVPN = {"event.module": "openvpn", "event.dataset": "openvpn.log", "service.type": "openvpn",
    "observer.product": "OpenVPN"}
SWAN = {"event.module": "strongswan", "event.dataset": "strongswan.log", "service.type": "strongswan",
    "observer.product": "strongSwan", "network.protocol": "ipsec"}
IVANTI = {"event.module": "ivanti_connect", "event.dataset": "ivanti_connect.log", "service.type": "ivanti_connect",
    "observer.vendor": "Ivanti", "observer.product": "Connect Secure"}
PORTAL = {"event.module": "sslvpn", "event.dataset": "sslvpn.log", "service.type": "sslvpn"}
SHAPES = (
    Shape("", OWN + PEER + r" (?:TLS Auth Error: |VERIFY ERROR: |TLS Error: |AUTH: Received control message: "
                           r"AUTH_FAILED|"
          r"PLUGIN_CALL: .{0,300} status=1|SENT CONTROL .{0,200}AUTH_FAILED)" + WORDS, OPENVPN | FAILED),
    Shape("", OWN + PEER + r" \[(?P<user.name>[^\]]*)\] Peer Connection Initiated with ",
          OPENVPN | LOGIN | {"event.outcome": "success", "event.action": "login"}),
    Shape("", OWN + PEER + r" (?:TLS: Username/Password authentication succeeded for username '(?P<user.name>[^']*)'|"
          r"VERIFY OK: )" + WORDS, OPENVPN | LOGIN | {"event.outcome": "success", "event.action": "verify"}),
    Shape("", OWN + r"(?P<user.name>[^/\s]{1,128})/" + PEER + r" (?:SIG(?:TERM|USR1|HUP)"
        r"\[soft,(?P<event.reason>[^\]]*)\]|"
          r"Connection reset|\[[^\]]*\] Inactivity timeout)",
          OPENVPN | {"event.category": ["session", "network"], "event.type": ["end"], "event.action": "logout",
                     "event.outcome": "success"}),
    Shape("", OWN + r"(?P<user.name>[^/\s]{1,128})/" + PEER + r" MULTI(?:_sva)?: (?:Learn: "
        r"(?P<source.nat.ip>[0-9A-Fa-f.:]+) |"
          r"pool returned IPv4=(?P<pool_>[0-9.]+))",
          OPENVPN | {"event.category": ["session", "network"], "event.type": ["start"], "event.action": "assigned",
                     "event.outcome": "success"}),
    Shape("", OWN + r"(?P<user.name>[^/\s]{1,128})/" + PEER + " " + WORDS, OPENVPN | LINK),
    Shape("", OWN + PEER + r" SIG(?:TERM|USR1|HUP)\[soft,(?P<event.reason>[^\]]*)\]",
          OPENVPN | LINK | {"event.type": ["connection", "end"], "event.outcome": "failure", "event.action": "closed"}),
    Shape("", OWN + PEER + " " + WORDS, OPENVPN | LINK),
    Shape("", OWN + r"(?:TLS(?:: |\sError)|Initialization|MULTI: |PLUGIN_|MANAGEMENT: )",
          OPENVPN | {"event.category": ["host"], "event.type": ["info"]}),
    Shape("", r"^\d{2}\[[A-Z]{3}\] (?:<[^>]{1,80}> )?(?P<way_>received|sending) packet: from "
          r"(?P<source.address>[0-9A-Fa-f.:]+)\[(?P<source.port>\d+)\] to (?P<destination.address>[0-9A-Fa-f.:]+)"
          r"\[(?P<destination.port>\d+)\]", SWAN | LINK),
    Shape("", r"^\d{2}\[[A-Z]{3}\] (?:<[^>]{1,80}> )?(?:EAP method \S+ failed for peer|no EAP key found for hosts "
              r"'[^']*' -|"
          r"XAuth authentication of|EAP-MS-CHAPv2 verification failed|authentication of) '?(?P<user.name>[^']*)'?"
          r"(?P<said_>.*(?:fail|no trusted).*|)$", SWAN | FAILED),
    Shape("", r"^\d{2}\[[A-Z]{3}\] (?:<[^>]{1,80}> )?(?:authentication of|XAuth authentication of) "
              r"'(?P<user.name>[^']*)' "
          r".*success", SWAN | LOGIN | {"event.outcome": "success", "event.action": "login"}),
    Shape("", r"^\d{2}\[[A-Z]{3}\] ", SWAN | LINK),
    Shape("", r"^(?:id=firewall .{0,200} msg=\x22)?(?:(?P<iso_>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) )?.{0,80}?- "
              r"\[(?P<source.address>[0-9A-Fa-f.:]+)\] "
          r"(?P<user.name>[^()\s]*)\([^)]*\)\[[^\]]*\] - (?P<said_>.*)$", IVANTI | LOGIN),
    Shape("", rf"^(?:{PAIRED})", PORTAL | LOGIN),
)
FIXED = {"event.kind": "event", "event.module": "vpn", "event.dataset": "vpn.log", "service.type": "vpn",
    "observer.type": "vpn", "event.category": ["network"], "event.type": ["connection", "info"]}
NAMES = {
    **dict.fromkeys(("user", "username", "usr", "用户", "用户名", "用户名称", "登录名"), "user.name"),
    **dict.fromkeys(("src", "srcip", "clientip", "ip", "from", "用户IP", "源IP", "登录IP", "客户端IP", "来源IP"),
        "source.address"),
    **dict.fromkeys(("assigned", "vip", "virtualip", "tunnelip", "虚拟IP", "分配IP"), "source.nat.ip"),
    **dict.fromkeys(("dst", "server", "目的IP", "资源地址", "资源IP"), "destination.address"),
    **dict.fromkeys(("reason", "原因", "失败原因"), "event.reason"),
    **dict.fromkeys(("action", "操作", "动作"), "event.action"),
    "bytes_in": "source.bytes", "bytes_out": "destination.bytes",
}
LABELLED = re.compile(r"(?:^|[,，;；] ?|\] ?)([^,，:：=;；\]]{1,40})[:：=]([^,，;；]*)")
FAIL = re.compile(r"fail|deny|denied|invalid|reject|lock|error|失败|拒绝|错误|锁定", re.I)
OVER = re.compile(r"logout|log out|closed|end(?:ed)?\b|disconnect|注销|退出|下线|断开", re.I)
SPOKEN = re.compile(r"log-?in|auth|success|登录|认证|成功", re.I)


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each message is one event; lines of other kinds are faults."""
    return _service.parse(lines, ctx, SERVICE)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of messages; pairs may be another device's, which knows better."""
    return max(_service.sniff(lines, SURE), _service.sniff(lines, SERVICE, 0.8))


def _polish(frame: pl.DataFrame, own: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    if "pool_" in own.columns and "source.nat.ip" in frame.columns:
        frame = frame.with_columns(frame["source.nat.ip"].fill_null(own["pool_"]))
    if "said_" in own.columns and "way_" not in own.columns:
        told = own["said_"].str.contains(r"(?i)log")
        frame = over(frame, [pl.select(pl.when(told).then(one)).to_series() for one in _ending(own["said_"])])
    if own.width or not frame.height or "user.name" in frame.columns:
        return frame
    return _pairs(frame)


def _ending(said: pl.Series) -> list[pl.Series]:
    """Outcome and action by the words of a login's end."""
    return [by_value(said, lambda text: "failure" if FAIL.search(text) else "success").alias("event.outcome"),
            by_value(said, lambda text: "logout" if OVER.search(text) else "login").alias("event.action")]


def _pairs(frame: pl.DataFrame) -> pl.DataFrame:
    """Messages of pairs: who, from where, and how it ended."""
    rows = [_row(text) for text in frame["message"].to_list()]
    names = dict.fromkeys(name for row in rows for name in row)
    made = [series(name, [row.get(name) for row in rows]) for name in names]
    return frame.with_columns([one for one in made if one is not None])


def _row(text: str) -> dict[str, Any]:
    start = re.match(r"(AUTH|SESSION) - ", text)
    body = text[start.end():] if start else text
    found = spaced(body) if "=" in body.partition(" ")[0] else _labelled(body)
    row: dict[str, Any] = {}
    for name, value in found.items():
        column = NAMES.get(name) or NAMES.get(name.lower().replace("_", "")) or NAMES.get(name.lower())
        doubted = column == "source.address" and name in found.get(AGAIN, ())
        if column and column not in row and type(value) is str and value not in ("", "-") and not doubted:
            row[column] = value.split(" ")[0] if column == "source.address" else value
    told = (found.get("result"), found.get("结果"), row.get("event.action"), row.get("event.reason"))
    result = " ".join(str(one) for one in told if one)
    over = bool(OVER.search(result) or OVER.search(str(found.get("src", ""))) or " closed" in body)
    session = bool(start and start[1] == "SESSION") or "duration" in found
    login = not over and (bool(start and start[1] == "AUTH") or bool(SPOKEN.search(result)) or not session)
    row["event.outcome"] = "failure" if login and FAIL.search(result) else "success"
    row["event.category"] = ["authentication", "network"] if login else ["session", "network"]
    row["event.type"] = ["start"] if login else ["end"] if over or session else ["info"]
    row.setdefault("event.action", "login" if login else "logout" if over else "session")
    return row


def _labelled(text: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in LABELLED.findall(text):
        put(row, name.strip(), value.strip())
    return row


SERVICE = Service(MARK, SHAPES, FIXED, "no message of a VPN", _polish)
SURE = SERVICE._replace(mark=(rf"{BEFORE}{END}(?:TLS|VERIFY|MULTI|SIG|\[|PLUGIN|peer info)|{IKE}|{PULSE}|(?:AUTH|"
                             rf"SESSION) - user="))
