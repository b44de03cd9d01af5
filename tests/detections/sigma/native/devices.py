"""Lines of network devices, databases and honeypots."""

from __future__ import annotations

import orjson

from detections.sigma.rule import LogSource
from tests.detections.sigma.native.solve import Found

Line = tuple[str, list[str]]
FORTI = 'date=2026-11-23 time=10:03:04 devname="fw-edge" devid="FG100FTK20000001" tz="+0800" '


def cisco(source: LogSource, values: Found, text: str | None) -> Line:
    """IOS messages: a logged command, or a segment without its digest."""
    said = {
        "aaa": f"%PARSER-5-CFGLOG_LOGGEDCMD: User:demo  logged command:{text}",
        "syslog": f"%SYS-5-CONFIG_I: Configured from console by demo on vty0 ({text})",
        "bgp": "%IP-TCP-3-BADAUTH: No MD5 digest from 192.0.2.1:51033 to 192.0.2.2:179",
        "ldp": f"%LDP-3-SOCKET_TCP_PACKET_MD5_AUTHEN_FAIL: {text} from 192.0.2.1:51033 to 192.0.2.2:646",
    }[source.service]
    return "cisco", [f"<189>83: core-sw1: Nov 23 10:03:04: {said}"]


def huawei(source: LogSource, values: Found, text: str | None) -> Line:
    return "huawei", ["<188>Nov 23 2026 10:03:04 NE40 %%01BGP/3/BGP_AUTH_FAILED(l): BGP session authentication failed. "
                      '(PeerSession="192.0.2.1:51033->192.0.2.2:179")']


def juniper(source: LogSource, values: Found, text: str | None) -> Line:
    return "juniper", ["<4>Nov 23 10:03:04 mx480-a /kernel: tcp_auth_ok: Packet from 192.0.2.1:51033 to 192.0.2.2:179 "
                       "missing MD5 digest"]


def fortigate(source: LogSource, values: Found, text: str | None) -> Line:
    """A change of the configuration, or the remote access daemon's word."""
    if source.service == "sslvpnd":
        return "fortigate", [FORTI + 'logid="0101039426" type="event" subtype="vpn" level="alert" logdesc="SSL VPN" '
                             f'action="ssl-login-fail" remip=192.0.2.7 user="demo" msg="{text}"']
    pairs = " ".join(f'{name}="{value}"' for name, value in values.items())
    return "fortigate", [FORTI + 'logid="0100044547" type="event" subtype="system" level="information" vd="root" '
                         f'logdesc="Object attribute configured" user="admin" ui="GUI(192.0.2.7)" {pairs}']


def firewall(source: LogSource, values: Found, text: str | None) -> Line:
    """A firewall's verdict on a connection."""
    action = values.get("action") or ("deny" if values.get("blocked") == "true" else "accept")
    return "fortigate", [FORTI + 'logid="0000000013" type="traffic" subtype="forward" level="notice" '
                         f'srcip={values.get("src_ip", "192.0.2.7")} srcport=51000 dstip='
                         f'{values.get("dst_ip", "192.0.2.9")} dstport={values.get("dst_port", "443")} proto=6 '
                         f'action="{action}" policyid=4']


def globalprotect(source: LogSource, values: Found, text: str | None) -> Line:
    return "paloalto", ["1,2026/11/23 10:03:04,007000000001,GLOBALPROTECT,0,2305,2026/11/23 10:03:04,vsys1,"
                        "gateway-auth,login,Other,,demo,CN,PC-7,203.0.113.7,0.0.0.0,0.0.0.0,0.0.0.0,,,,Windows,,1,"
                        f"{text},,,failure"]


def opencanary(source: LogSource, values: Found, text: str | None) -> Line:
    return "opencanary", [orjson.dumps({"dst_host": "10.1.0.9", "dst_port": 22, "local_time":
        "2026-11-23 02:03:04.123456", "logdata": {}, "logtype": int(values["logtype"]), "node_id": "canary-1",
        "src_host": "192.0.2.7", "src_port": 51000}).decode()]


def database(source: LogSource, values: Found, text: str | None) -> Line:
    return "postgresql", [f"2026-11-23 10:03:04.123 CST [4411] demo@city LOG:  statement: {text}"]


RENDERERS = (
    (LogSource("cisco"), cisco), (LogSource("huawei"), huawei), (LogSource("juniper"), juniper),
    (LogSource("fortigate"), fortigate), (LogSource("fortios"), fortigate), (LogSource("", "firewall"), firewall),
    (LogSource("paloalto", "appliance"), globalprotect), (LogSource("opencanary"), opencanary),
    (LogSource("", "database"), database),
)
