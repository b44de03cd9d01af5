"""Journal to store on one core: syslog and Windows event JSON, through the same classes as ./soc up."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from soc_core import clock
from soc_core.config import Settings
from soc_core.protocols import Origin, Raws

BLOCK = 4096


def sshd(count: int, seed: int = 1) -> Iterator[bytes]:
    """Failed and accepted logons as sshd writes them; most values differ from line to line."""
    draw = random.Random(seed)
    for number in range(count):
        user = draw.choice(("root", "admin", f"user{draw.randrange(4000)}"))
        word = draw.choice(("Failed password for", "Accepted password for", "Failed password for invalid user"))
        address = f"10.{draw.randrange(250)}.{draw.randrange(250)}.{draw.randrange(1, 250)}"
        yield (
            f"<38>Nov 23 0{number // 3600 % 10}:{number // 60 % 60:02d}:{number % 60:02d} host{draw.randrange(200)} "
            f"sshd[{draw.randrange(65000)}]: {word} {user} from {address} port {draw.randrange(1024, 65000)} ssh2"
        ).encode()


def sysmon(count: int, seed: int = 2) -> Iterator[bytes]:
    """Process creations in winlogbeat's shape, some 2 KB each."""
    draw = random.Random(seed)
    programs = [f"C:\\Program Files\\Vendor{n}\\tool{n}.exe" for n in range(300)]
    for number in range(count):
        program = draw.choice(programs)
        data = {
            "UtcTime": f"2026-11-23 01:{number // 60 % 60:02d}:{number % 60:02d}.123",
            "ProcessGuid": f"{{{draw.getrandbits(128):032x}}}", "ProcessId": str(draw.randrange(65000)),
            "Image": program, "CommandLine": f'"{program}" --job {draw.getrandbits(64):x} --path C:\\data\\{number}',
            "CurrentDirectory": "C:\\Windows\\system32\\", "User": f"CITY\\user{draw.randrange(3000)}",
            "Hashes": f"MD5={draw.getrandbits(128):032X},SHA256={draw.getrandbits(256):064X}",
            "ParentImage": "C:\\Windows\\explorer.exe", "ParentCommandLine": "C:\\Windows\\Explorer.EXE",
            "LogonId": f"0x{draw.randrange(1 << 24):x}", "IntegrityLevel": "Medium", "RuleName": "-",
            "Description": "Vendor tool", "Company": "Vendor", "OriginalFileName": "tool.exe",
        }
        yield orjson.dumps({
            "@timestamp": f"2026-11-23T01:{number // 60 % 60:02d}:{number % 60:02d}.123Z",
            "event": {"code": "1", "provider": "Microsoft-Windows-Sysmon"},
            "host": {"name": f"pc{draw.randrange(500)}.city.example"},
            "message": "Process Create:\n" + "\n".join(f"{k}: {v}" for k, v in data.items()),
            "winlog": {"channel": "Microsoft-Windows-Sysmon/Operational", "event_id": "1",
                       "provider_name": "Microsoft-Windows-Sysmon", "record_id": number, "event_data": data},
        })


def measure(name: str, lines: list[bytes], format: str) -> dict[str, Any]:
    """Fill a journal, then time the loop from its first record to the last commit."""
    from soc_cli.wiring import Platform

    folder = Path(tempfile.mkdtemp(prefix="soc-bench-"))
    try:
        with Platform(Settings(data=folder, partitions=1)) as platform:
            origin = Origin(source=f"bench:{name}", format=format)
            for at in range(0, len(lines), BLOCK):
                block = lines[at : at + BLOCK]
                places = np.arange(at, at + len(block), dtype=np.int64)
                platform.journal.append([Raws(origin, block, clock.now(), places)])
            worker = platform.worker()
            began, cpu = time.perf_counter(), time.process_time()
            done = worker.drain()
            seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert done == len(lines)
    return {"name": f"ingest {name}, journal to store", "value": done / seconds, "unit": "events/s on one core",
            "peer": "CPU seconds used", "peer_value": spent, "ratio": spent / seconds}


def figures() -> list[dict[str, Any]]:
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    size = int(os.environ.get("SOC_BENCH_SIZE", "200000"))
    return [
        measure("syslog sshd", list(sshd(size)), "syslog"),
        measure("Windows event JSON 2 KB", list(sysmon(size // 4)), "windows_event"),
    ]
