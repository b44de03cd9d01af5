"""Raw line to event columns on one core: sshd syslog, nginx access lines, Suricata EVE, Windows events of 2 KB."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from soc_core import clock

BATCH = 5_000
ROUNDS = 8
TARGETS = {"syslog": 150_000, "nginx": 150_000, "suricata_eve": 80_000, "windows_event": 40_000}


def sshd(draw: random.Random) -> Iterator[bytes]:
    """What an exposed SSH server writes all day."""
    kinds = (
        "Failed password for invalid user u{n} from {ip} port {port} ssh2",
        "Failed password for root from {ip} port {port} ssh2",
        "Accepted publickey for u{n} from {ip} port {port} ssh2: ED25519 SHA256:{n}abcdef",
        "Connection closed by invalid user u{n} {ip} port {port} [preauth]",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user=u{n}",
    )
    while True:
        text = draw.choice(kinds).format(n=draw.randrange(2000), ip=_address(draw), port=draw.randrange(1024, 65535))
        day, clock_, pid = draw.randrange(1, 23), _clock(draw), draw.randrange(1, 40000)
        yield f"<38>Nov {day:2d} {clock_} host{draw.randrange(300)} sshd[{pid}]: {text}".encode()


def nginx(draw: random.Random) -> Iterator[bytes]:
    """Visits to a portal: many pages, some arguments, twenty browsers."""
    agents = [f"Mozilla/5.0 (X11; Linux x86_64; rv:{n}.0) Gecko/20100101 Firefox/{n}.0" for n in range(100, 120)]
    while True:
        path = f"/column/{draw.randrange(300)}/article{draw.randrange(20000)}.html"
        asked = path + (f"?page={draw.randrange(50)}&q=%E9%95%BF" if draw.random() < 0.3 else "")
        stamp = f"{draw.randrange(1, 23):02d}/Nov/2026:{_clock(draw)} +0800"
        answer = f"{draw.choice((200, 200, 200, 304, 404))} {draw.randrange(90000)}"
        yield (f'{_address(draw)} - - [{stamp}] "GET {asked} HTTP/1.1" {answer} "https://www.example.com/" '
               f'"{draw.choice(agents)}"').encode()


def eve(draw: random.Random) -> Iterator[bytes]:
    """A sensor's output: DNS answers, flows, HTTP, now and then an alert."""
    while True:
        record: dict[str, Any] = {
            "timestamp": f"2026-11-{draw.randrange(1, 23):02d}T08:24:37.{draw.randrange(10**6):06d}+0800",
            "flow_id": draw.getrandbits(48),
            "in_iface": "ens1", "event_type": draw.choice(("dns", "dns", "flow", "http", "alert")),
            "src_ip": _address(draw),
            "src_port": draw.randrange(1024, 65535), "dest_ip": _address(draw), "dest_port": 53, "proto": "UDP",
        }
        name = f"h{draw.randrange(5000)}.example"
        if record["event_type"] == "dns":
            record["dns"] = {"version": 2, "type": "answer", "id": draw.randrange(65536), "flags": "8180",
                "rrname": name, "rrtype": "A",
                             "rcode": "NOERROR", "answers": [{"rrname": name, "rrtype": "A", "ttl": 60,
                                 "rdata": _address(draw)}]}
        elif record["event_type"] == "flow":
            record["flow"] = {"pkts_toserver": draw.randrange(90), "pkts_toclient": 7,
                "bytes_toserver": draw.randrange(9000),
                              "bytes_toclient": 811, "start": record["timestamp"], "end": record["timestamp"], "age": 3,
                              "state": "closed",
                              "reason": "timeout", "alerted": False}
        else:
            record["http"] = {"hostname": name, "url": f"/p/{draw.randrange(9000)}.jsp?a=1",
                "http_user_agent": "curl/8.5.0",
                              "http_method": "GET", "protocol": "HTTP/1.1", "status": 200,
                              "length": draw.randrange(9000)}
        if record["event_type"] == "alert":
            record["alert"] = {"action": "allowed", "gid": 1, "signature_id": draw.randrange(2000000, 2004000),
                "rev": 3,
                               "signature": "probe of a web shell", "category": "Web Application Attack", "severity": 1}
        yield orjson.dumps(record)


def windows(draw: random.Random) -> Iterator[bytes]:
    """Process creations, logons and registry writes as NXLog sends them, message included."""
    programs = [f"C:\\Program Files\\Vendor{n}\\bin\\tool{n}.exe" for n in range(300)]
    head = "A process has been created.\r\n\r\nSubject:\r\n" + "\tDetail of the record, as rendered\r\n" * 14
    while True:
        program = draw.choice(programs)
        record: dict[str, Any] = {
            "EventTime": f"2026-11-{draw.randrange(1, 23):02d} 08:24:{draw.randrange(60):02d}",
            "Hostname": f"pc{draw.randrange(500)}.city.example",
            "Keywords": "0x8000000000000000", "EventID": draw.choice((1, 1, 3, 13)),
            "SourceName": "Microsoft-Windows-Sysmon", "Level": "4",
            "ProviderGuid": "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}", "Task": "1", "RecordNumber": draw.getrandbits(30),
            "Channel": "Microsoft-Windows-Sysmon/Operational", "Message": head, "UtcTime": "2026-11-20 00:24:37.251",
            "ProcessGuid": f"{{{draw.getrandbits(64):x}}}", "ProcessId": str(draw.randrange(60000)), "Image": program,
            "RuleName": "-",
            "User": f"CITY\\user{draw.randrange(3000)}",
        }
        if record["EventID"] == 1:
            record |= {"CommandLine": f'"{program}" --job {draw.getrandbits(40):x}',
                "CurrentDirectory": "C:\\Windows\\system32\\",
                       "LogonId": f"0x{draw.getrandbits(20):x}", "IntegrityLevel": "Medium",
                       "OriginalFileName": "tool.exe", "Company": "Vendor",
                       "Hashes": f"MD5={draw.getrandbits(128):032X},SHA256={draw.getrandbits(256):064X}",
                       "ParentImage": "C:\\Windows\\explorer.exe", "ParentCommandLine": "C:\\Windows\\Explorer.EXE",
                       "ParentProcessId": "99"}
        elif record["EventID"] == 3:
            record |= {"Protocol": "tcp", "Initiated": "true", "SourceIp": _address(draw), "SourcePort": "51000",
                "DestinationIp": _address(draw),
                       "DestinationPort": "443", "DestinationHostname": f"h{draw.randrange(900)}.example",
                       "SourceIsIpv6": "false"}
        else:
            record |= {"EventType": "SetValue",
                "TargetObject": f"HKLM\\System\\CurrentControlSet\\Services\\s{draw.randrange(400)}\\Start",
                       "Details": "DWORD (0x00000004)"}
        record["Message"] += "x" * max(0, 1990 - len(orjson.dumps(record)))
        yield orjson.dumps(record)


def _clock(draw: random.Random) -> str:
    return f"{draw.randrange(24):02d}:{draw.randrange(60):02d}:{draw.randrange(60):02d}"


def _address(draw: random.Random) -> str:
    return f"10.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"


MAKERS: dict[str, Callable[[random.Random], Iterator[bytes]]] = {
    "syslog": sshd, "nginx": nginx, "suricata_eve": eve, "windows_event": windows,
}


def rate(name: str) -> float:
    """Lines a second of processor time, the best of a few batches, through collectors/parse.py."""
    from collectors.parse import parse
    from soc_core.protocols import Frame, Origin, Raws

    maker = MAKERS[name](random.Random(7))
    best = 0.0
    for _ in range(ROUNDS):
        raws = Raws(Origin(source="bench", format=name), [next(maker) for _ in range(BATCH)],
            clock.from_text("2026-11-23T00:00:00Z"))
        began = time.process_time()
        found = parse([Frame(0, 0, raws)])
        for part in found.batch.parts:
            assert part.frame.height  # every column is made
        best = max(best, BATCH / (time.process_time() - began))
        if found.faults or found.batch.height != BATCH:
            raise RuntimeError(f"{name}: {len(found.faults)} lines of the bench were not read")
    return best


def figures() -> list[dict[str, Any]]:
    """One figure a format, each in a process of its own with one Polars thread."""
    found = []
    for name, target in TARGETS.items():
        value = float(subprocess.run(
            [sys.executable, "-m", "bench.normalise", name], check=True, capture_output=True, text=True,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},
        ).stdout)
        found.append({"name": f"normalise {name}", "value": round(value), "unit": "lines/s on one core", "peer": None,
            "peer_value": None,
                      "ratio": None, "target": target, "met": value >= target})
    return found


if __name__ == "__main__":
    print(rate(sys.argv[1]))
