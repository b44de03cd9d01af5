"""Zeek, the Linux audit log, cloud audits and databases: public records normalised, of those there are; and rates."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("SOC_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
BATCH, ROUNDS = 5_000, 5
RATES = ("zeek", "cloudtrail", "kubernetes_audit", "auditd")
CLOUD = {
    "AWS.CloudTrail": "cloudtrail", "Azure.Audit": "azure", "GCP.AuditLog": "gcp", "Amazon.EKS.Audit":
    "kubernetes_audit", "Okta.SystemLog": "okta", "GitHub.Audit": "github",
    "Microsoft365.Audit.SharePoint": "m365",
}


def lines(path: Path) -> list[bytes]:
    """A recording's lines."""
    data = path.read_bytes()
    return [line for line in (gzip.decompress(data) if path.suffix == ".gz" else data).split(b"\n") if line]


def zeek() -> Iterator[tuple[str, list[bytes]]]:
    """Zeek's own logs, those without their header left out."""
    own, sent = (ROOT / "zeek-btest" / "baseline").rglob("*.log*"), (ROOT / "zeek-zed-sample").glob("*.gz")
    for path in [*sorted(path for path in own if path.is_file()), *sorted(sent)]:
        found = lines(path)
        if "zed" in str(path) or any(line.startswith(b"#fields") for line in found):
            yield "zeek", found


def beats() -> Iterator[tuple[str, list[bytes]]]:
    """Logs of the services that Beats has samples of."""
    for name in ("auditd", "postgresql", "redis", "mongodb"):
        for path in sorted((ROOT / "beats-oss-modules" / name / "log").glob("*")):
            if "expected" not in path.name:
                yield name, lines(path)


def cloud() -> Iterator[tuple[str, list[bytes]]]:
    """Audit records of clouds and services, those that name their kind."""
    for line in lines(ROOT / "panther-cloud" / "cases.jsonl.gz"):
        case = json.loads(line)
        log, kinds = case["log"] or {}, case["log_types"] or []
        name = CLOUD.get(log.get("p_log_type") or (kinds[0] if len(kinds) == 1 else ""))
        if name:
            yield name, [json.dumps(log).encode()]


def coverage(found: Iterator[tuple[str, list[bytes]]]) -> float:
    """Share of records that became events or were merged into one."""
    from soc_core import registry
    from soc_core.protocols import Context

    taken = lost = 0
    for name, some in found:
        parsed = registry.get("collectors.formats", name).parse(some, Context(1_790_000_000_000_000))
        taken, lost = taken + len(some), lost + len(parsed.faults)
    return (taken - lost) / taken if taken else 0.0


def rate(name: str) -> float:
    """Lines a second of processor time, the best of a few batches of the format's own fixture lines."""
    from soc_core import registry
    from soc_core.protocols import Context

    module, some = registry.get("collectors.formats", name), _sample(name)
    best = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        module.parse(some, Context(1_790_000_000_000_000))
        best = max(best, len(some) / (time.process_time() - began))
    return best


def _sample(name: str) -> list[bytes]:
    if name == "zeek":
        whole = [line for _, found in zeek() for line in found if line.startswith(b'{"_path"')]
        return _repeated(whole)
    if name == "auditd":
        return _repeated([line for kind, found in beats() if kind == name for line in found])
    return _repeated([line for kind, found in cloud() if kind == name for line in found])


def _repeated(some: Sequence[bytes]) -> list[bytes]:
    return [*some] * max(1, BATCH // max(len(some), 1)) or [b"{}"]


def figures() -> list[dict[str, Any]]:
    """Coverage of each set of recordings, and one rate a format in a process of its own."""
    found: list[dict[str, Any]] = []

    def add(name: str, value: float, unit: str, target: float | None) -> None:
        met = None if target is None else value >= target
        found.append({"name": name, "value": value, "unit": unit, "peer": None, "peer_value": None, "ratio": None,
            "target": target, "met": met})

    for name, some in (("zeek", zeek), ("beats services", beats), ("panther cloud", cloud)):
        if ROOT.exists():
            add(f"normalised {name}", round(coverage(some()), 4), "share of records", 0.995 if name == "zeek" else 0.98)
    for name in RATES:
        value = float(subprocess.run(
            [sys.executable, "-m", "bench.normalise_services", name], check=True, capture_output=True, text=True,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},
        ).stdout)
        add(f"normalise {name}", round(value), "lines/s on one core", None)
    return found


if __name__ == "__main__":
    print(rate(sys.argv[1]))
