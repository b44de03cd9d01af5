"""What decides about Windows events of one channel and id, row by row: who wrote them, and a value of theirs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from collectors.formats._lazy import Columns
from collectors.formats._windows_derive import DATA
from collectors.formats._windows_map import DATASETS, Kind
from soc_core.lexicon import ELSEWHERE, NOTHING
from soc_core.protocols import Ints
from soc_core.table import Column, Texts

LINUX, SYSMON = "linux-sysmon", "sysmon"


def makers(channel: str, columns: Columns) -> str | npt.NDArray[np.object_]:
    """Who wrote the events, as far as it matters: Sysmon for Linux, Sysmon where no channel says so, "" for others."""
    held = columns.get("event.provider")
    if LINUX in channel.lower():
        return LINUX
    if held is None or (channel and (linux := held.through(_linux)) is not None and not (linux.codes != NOTHING).any()):
        return ""
    known = {provider: _maker(provider or "", channel) for provider in distinct(held)}
    makers = set(known.values())
    return makers.pop() if len(makers) == 1 else np.array([known[provider] for provider in held.texts], dtype=object)


def _linux(provider: str) -> str | None:
    return provider if provider.lower() == LINUX else None


def _maker(provider: str, channel: str) -> str:
    return LINUX if provider.lower() == LINUX else SYSMON if not channel and "Sysmon" in provider else ""


def distinct(column: Column) -> Texts:
    """Every text of the column, some of them more than once."""
    coded = column.coded
    if coded is None or (coded.codes == ELSEWHERE).any():
        return column.texts
    known = coded.lexicon.texts
    return [known[code] for code in np.unique(coded.codes).tolist()]


def variants(
    columns: Columns, kind: Kind | None, code: str, service: str, linux: bool, height: int
) -> list[tuple[Ints, dict[str, Any]]]:
    """(rows, constants): one for most event ids, several where `split` decides."""
    every = np.arange(height, dtype=np.int64)
    product = "linux" if linux else "windows"
    fixed: dict[str, Any] = {
        "event.kind": "event", "event.code": code, "event.module": "sysmon" if linux else "windows",
        "event.dataset": "sysmon.linux" if linux else DATASETS.get(service, "windows.other"),
        "host.os.type": product, "event.category": ["host"], "event.type": ["info"],
    }
    services = [] if linux else ["windows//", *([f"windows//{service}"] if service else [])]
    if service == "rpcfw":
        services.append("rpc_firewall/application/")
    if kind is None:
        return [(every, fixed | {"sigma.logsource": services or ["linux//"]})]
    fixed |= {"event.action": kind.action, "event.category": [kind.category]}
    cases, rows = {"": (kind.types, kind.sigma)}, {"": every}
    if kind.split and kind.variants:
        cases = dict(kind.variants)
        held = columns.get(DATA + kind.split)
        if held is not None:
            codes = _cased(held, cases)
            rows = {case: np.flatnonzero(codes == case) for case in cases}
    return [
        (rows[case], fixed | {"event.type": list(types), "sigma.logsource": [f"{product}/{one}/"
            for one in sigma] + services})
        for case, (types, sigma) in cases.items() if len(rows.get(case, ()))
    ]


def _cased(column: Column, cases: Collection[str]) -> npt.NDArray[np.object_]:
    """Each value of the column that is a case, "" for any other."""
    coded = column.coded
    if coded is None or (coded.codes == ELSEWHERE).any():
        return np.array([value if value in cases else "" for value in column.texts], dtype=object)
    distinct, places = np.unique(coded.codes, return_inverse=True)
    known = coded.lexicon.texts
    return np.array([text if (text := known[code]) in cases else "" for code in distinct.tolist()],
        dtype=object)[places]
