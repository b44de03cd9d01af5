"""Records for bench/flow.py as bench/mix.yml mixes them, stamped with the present; most values differ each time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from soc_core import documents

MIX = Path(__file__).with_name("mix.yml")
CHINA = timezone(timedelta(hours=8))
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DETAIL = "Detail of the record, as the system renders it for people to read. " * 23
SSHD = (
    "Failed password for invalid user u%(n)x from %(ip)s port %(port)d ssh2",
    "Failed password for root from %(ip)s port %(port)d ssh2",
    "Accepted publickey for u%(few)d from %(ip)s port %(port)d ssh2: ED25519 SHA256:%(n)xabcdef",
    "Connection closed by invalid user u%(n)x %(ip)s port %(port)d [preauth]",
)
OTHER = (
    "CRON[%(port)d]: (u%(few)d) CMD (/usr/lib/jobs/run --id %(n)x)",
    "sudo[%(port)d]:    u%(few)d : TTY=pts/1 ; PWD=/home ; USER=root ; COMMAND=/usr/bin/systemctl status s%(n)x",
    "kernel: [%(port)d.1] usb 1-1: new device number %(few)d, serial %(n)x",
)
Draw = random.Random
Maker = Callable[[Draw, datetime, int], str]


class Kind(BaseModel):
    """One kind of records: its share of a hundred, the format that reads it, its sources."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: int
    format: str
    sources: int


class Mix(BaseModel):
    """mix.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    kinds: dict[str, Kind]


def mix() -> dict[str, Kind]:
    return documents.read(MIX, Mix).kinds


def _values(draw: Draw) -> dict[str, object]:
    bits = draw.getrandbits(64)
    return {
        "n": bits & 0xFFFFFFFF, "few": bits >> 32 & 0xFFFF, "port": 1024 + (bits >> 44 & 0x7FFF),
        "ip": f"10.{bits >> 8 & 255}.{bits >> 24 & 255}.{1 + (bits >> 40 & 127)}",
    }


def syslog(draw: Draw, at: datetime, source: int) -> str:
    values = _values(draw)
    head = f"<38>{MONTHS[at.month - 1]} {at.day:2d} {at:%H:%M:%S} host{source}"
    if draw.random() < 0.7:
        return f"{head} sshd[{values['port']}]: {SSHD[draw.getrandbits(2)] % values}"
    return f"{head} {OTHER[draw.randrange(3)] % values}"


def web(draw: Draw, at: datetime, source: int) -> str:
    v = _values(draw)
    query = f"?page={v['few']}&q={v['n']:x}" if draw.random() < 0.3 else ""
    stamp = f"{at.day:02d}/{MONTHS[at.month - 1]}/{at.year} {at:%H:%M:%S} +0800".replace(" ", ":", 1)
    agent = draw.randrange(100, 160)
    return (f'{v["ip"]} - - [{stamp}] "GET /column/{v["few"]}/article{v["n"]}.html{query} HTTP/1.1" '
            f'200 {v["port"]} "https://www.example.com/{v["few"]}" '
            f'"Mozilla/5.0 (X11; Linux x86_64; rv:{agent}.0) Gecko/20100101 Firefox/{agent}.0"')


def windows(draw: Draw, at: datetime, source: int) -> str:
    v = _values(draw)
    code = (1, 1, 3, 11, 13)[draw.randrange(5)]
    image = f"C:\\\\Program Files\\\\Vendor{v['few']}\\\\bin\\\\tool{v['few']}.exe"
    head = (
        f'{{"EventTime":"{at:%Y-%m-%d %H:%M:%S}","Hostname":"pc{source}-{v["few"]}.city.example",'
        f'"Keywords":"0x8000000000000000","EventID":{code},"SourceName":"Microsoft-Windows-Sysmon","Level":"4",'
        f'"ProviderGuid":"{{5770385F-C22A-43E0-BF4C-06F5698FFBD9}}","Task":"{code}","RecordNumber":{v["n"]},'
        f'"Channel":"Microsoft-Windows-Sysmon/Operational","Message":"{DETAIL}","ExecutionProcessID":{v["port"]},'
        f'"ProcessGuid":"{{{v["n"]:032x}}}","ProcessId":"{v["port"]}","Image":"{image}","RuleName":"-",'
        f'"User":"CITY\\\\user{v["few"]}",'
    )
    if code == 1:
        return head + (
            f'"CommandLine":"\\"{image}\\" --job {v["n"]:x} --path C:\\\\data\\\\{v["port"]}",'
            f'"CurrentDirectory":"C:\\\\Windows\\\\system32\\\\","LogonId":"0x{v["n"]:x}","IntegrityLevel":"Medium",'
            f'"OriginalFileName":"tool{v["few"]}.exe","Company":"Vendor","Description":"Vendor tool",'
            f'"Hashes":"MD5={v["n"]:032X},SHA256={v["n"]:064X}","ParentProcessId":"{v["few"]}",'
            '"ParentImage":"C:\\\\Windows\\\\explorer.exe","ParentCommandLine":"C:\\\\Windows\\\\Explorer.EXE"}'
        )
    if code == 3:
        return head + (
            f'"Protocol":"tcp","Initiated":"true","SourceIp":"{v["ip"]}","SourcePort":"{v["port"]}",'
            f'"DestinationIp":"192.0.2.{1 + source}","DestinationPort":"443","SourceIsIpv6":"false",'
            f'"DestinationHostname":"h{v["n"]:x}.example"}}'
        )
    if code == 11:
        return head + f'"TargetFilename":"C:\\\\Users\\\\user{v["few"]}\\\\AppData\\\\{v["n"]:x}.tmp"}}'
    return head + (
        f'"EventType":"SetValue","TargetObject":"HKLM\\\\System\\\\Services\\\\s{v["n"]:x}\\\\Start",'
        '"Details":"DWORD (0x00000004)"}'
    )


def eve(draw: Draw, at: datetime, source: int) -> str:
    v = _values(draw)
    kind = ("dns", "dns", "flow", "http")[draw.getrandbits(2)]
    head = (f'{{"timestamp":"{at:%Y-%m-%dT%H:%M:%S.%f}+0800","flow_id":{v["n"]},"in_iface":"ens{source}",'
            f'"event_type":"{kind}","src_ip":"{v["ip"]}","src_port":{v["port"]},"dest_ip":"192.0.2.{1 + source}",'
            '"dest_port":53,"proto":"UDP",')
    if kind == "dns":
        return head + (
            f'"dns":{{"version":2,"type":"answer","id":{v["few"]},"flags":"8180","rrname":"h{v["n"]:x}.example",'
            f'"rrtype":"A","rcode":"NOERROR","answers":[{{"rrname":"h{v["n"]:x}.example","rrtype":"A","ttl":60,'
            f'"rdata":"{v["ip"]}"}}]}}}}')
    if kind == "flow":
        return head + (f'"flow":{{"pkts_toserver":{v["few"]},"pkts_toclient":7,"bytes_toserver":{v["port"]},'
            f'"bytes_toclient":811,"start":"{at:%Y-%m-%dT%H:%M:%S.%f}+0800","state":"closed","reason":"timeout"}}}}')
    return head + (
        f'"http":{{"hostname":"h{v["few"]}.example","url":"/p/{v["n"]:x}.jsp?a={v["port"]}","status":200,'
        f'"length":{v["port"]},"http_user_agent":"curl/8.5.0","http_method":"GET","protocol":"HTTP/1.1"}}}}')


def application(draw: Draw, at: datetime, source: int) -> str:
    v = _values(draw)
    return (f'{{"@timestamp":"{at:%Y-%m-%dT%H:%M:%S.%f}+08:00","log.level":"info","ecs.version":"8.11.0",'
            f'"service":{{"name":"app{source}"}},"message":"case {v["n"]} forwarded to {v["few"]} by u{v["n"]:x}",'
            f'"event":{{"action":"case-forwarded","outcome":"success"}},"user":{{"name":"u{v["n"]:x}"}},'
            f'"source":{{"ip":"{v["ip"]}"}},"trace":{{"id":"{v["n"]:032x}"}},"host":{{"name":"app{source}.example"}}}}')


MAKERS: dict[str, Maker] = {
    "syslog": syslog, "web": web, "windows": windows, "eve": eve, "application": application,
}
