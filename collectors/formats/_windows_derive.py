"""Columns made from other columns of a Windows event: names from paths, hashes apart, registry paths in one form.

The verbatim values stay under winlog.event_data; nothing here is trimmed or repaired (domain rule: verbatim beats
normalised). Each function works once on each distinct value.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache, partial, reduce

import polars as pl

from collectors.formats._frames import IPV4, wide
from collectors.formats._lazy import Columns, Derived, First, Read
from collectors.formats._typed import Joined
from soc_core.table import Column, Lazy

DATA = "winlog.event_data."
ADDRESS, NAME = re.compile(IPV4), re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
HIVES = (
    (re.compile(r"^\\REGISTRY\\MACHINE(?=\\|$)", re.I), "HKLM"),
    (re.compile(r"^\\REGISTRY\\USER(?=\\|$)", re.I), "HKU"),
    (re.compile(r"^HKEY_LOCAL_MACHINE(?=\\|$)", re.I), "HKLM"), (re.compile(r"^HKEY_USERS(?=\\|$)", re.I), "HKU"),
    (re.compile(r"^HKEY_CURRENT_USER(?=\\|$)", re.I), "HKCU"),
    (re.compile(r"^HKEY_CLASSES_ROOT(?=\\|$)", re.I), "HKCR"),
    (re.compile(r"^HKEY_CURRENT_CONFIG(?=\\|$)", re.I), "HKCC"),
    (re.compile(r"^(HKLM\\SYSTEM)\\ControlSet00\d(?=\\|$)", re.I), r"\1\\CurrentControlSet"),
)
OTHERWISE = re.compile(r"\\REGISTRY\\|HKEY_|HKLM\\SYSTEM\\ControlSet00", re.I)  # what one of them may hold of
CALL = re.compile(r"(?m)^\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?\n(\d{1,5})$")
DIRECTIONS = {"%%14592": "ingress", "%%14593": "egress"}
TRANSPORTS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "ipv6-icmp"}
REG_TYPES = {"%%1873": "SZ", "%%1874": "EXPAND_SZ", "%%1875": "BINARY", "%%1876": "DWORD", "%%1879": "MULTI_SZ",
    "%%1883": "QWORD"}


def add(columns: Columns, name: str, source: str, read: Read) -> None:
    """`name` from each distinct value of `source`, for the events that have no `name` yet."""
    if source in columns:
        lend(columns, Derived(name, columns[source], read))


def lend(columns: Columns, second: Column) -> None:
    """A column for the events that have none of its name: others beside them must not keep it from them."""
    first = columns.get(second.name)
    columns[second.name] = second if first is None else First(second.name, first, second)


def first(columns: Columns, *names: str) -> Column | None:
    """Of each event the first of these columns that it has; None where no event has any."""
    held = [columns[name] for name in names if name in columns]
    return reduce(partial(First, held[0].name), held) if held else None


def called(columns: Columns) -> None:
    """The interface and operation of an RPC Firewall record: unnamed data, the number after the interface's UUID."""
    add(columns, "rpc_firewall.interface_uuid", DATA + "Data", _interface)
    add(columns, "rpc_firewall.op_num", DATA + "Data", _operation)


def _interface(text: str) -> str | None:
    found = CALL.search(text)
    return found[1] if found else None


def _operation(text: str) -> str | None:
    found = CALL.search(text)
    return found[2] if found else None


def base(path: str) -> str | None:
    """The last part of a Windows or a Unix path; None where there is none, or a lone dash."""
    last = path[max(path.rfind("\\"), path.rfind("/")) + 1 :]
    return last if last not in ("", "-") else None


def folder(path: str) -> str | None:
    """All before the last part of a path."""
    cut = max(path.rfind("\\"), path.rfind("/"))
    return path[:cut] if cut > 0 else None


def ending(path: str) -> str | None:
    """The extension without its dot, of the last part only."""
    name, dot, last = (base(path) or "").rpartition(".")
    return last if dot and name and last else None


def drive(path: str) -> str | None:
    """The drive letter of a Windows path."""
    return path[0].upper() if path[1:3] == ":\\" and path[0].isalpha() else None


def names(columns: Columns) -> None:
    """Names, folders and endings from the paths that the event has."""
    add(columns, "process.name", "process.executable", base)
    add(columns, "process.parent.name", "process.parent.executable", base)
    if "dll.path" in columns:
        add(columns, "dll.name", "dll.path", base)
        lend(columns, columns["dll.path"].named("file.path"))
    for name, read in (("file.name", base), ("file.directory", folder), ("file.extension", ending),
        ("file.drive_letter", drive)):
        add(columns, name, "file.path", read)


def accounts(columns: Columns) -> None:
    r"""user.name and user.domain from Sysmon's DOMAIN\user."""
    source = first(columns, DATA + "User", DATA + "SourceUser")
    if source is not None:
        lend(columns, Derived("user.name", source, account))
        lend(columns, Derived("user.domain", source, domain))


def account(text: str) -> str | None:
    r"""The name of DOMAIN\user."""
    return text.rpartition("\\")[2] or None


def domain(text: str) -> str | None:
    r"""The domain of DOMAIN\user."""
    return text.rpartition("\\")[0] or None


def hashes(columns: Columns, owner: str) -> None:
    """`SHA256=…,IMPHASH=…` taken apart into owner.hash.* and owner.pe.imphash, in lower case."""
    source = first(columns, DATA + "Hashes", DATA + "Hash")
    if source is None:
        return
    for name, read in DIGESTS.items():
        columns[f"{owner}.{name}"] = Derived(f"{owner}.{name}", source, read)


@lru_cache(maxsize=4096)
def _digests(value: str) -> dict[str, str]:
    return {
        kind.strip().lower(): digest.strip().lower()
        for kind, mark, digest in (part.partition("=") for part in value.split(",")) if mark
    }


def _digest(kind: str, value: str) -> str | None:
    return _digests(value).get(kind)


DIGESTS: dict[str, Read] = {  # made once, as columns are remembered by what reads them
    "hash.md5": partial(_digest, "md5"), "hash.sha1": partial(_digest, "sha1"),
    "hash.sha256": partial(_digest, "sha256"), "pe.imphash": partial(_digest, "imphash"),
}


def ends(columns: Columns) -> None:
    """X.ip from X.address where that is an IP address, X.domain where it is a name."""
    for side in ("source", "destination"):
        held = columns.get(f"{side}.address")
        if held is not None:
            columns[f"{side}.ip"] = Derived(f"{side}.ip", held, address)
            add(columns, f"{side}.domain", f"{side}.address", _named)


def address(text: str) -> str | None:
    """An IP address, a mapped IPv4 unwrapped and a zone id cut off; None where the text is none."""
    if ADDRESS.fullmatch(text):
        return text
    return wide(text) if ":" in text else None


def _named(text: str) -> str | None:
    return text if NAME.fullmatch(text) and address(text) is None else None


def logon_id(text: str) -> str:
    """A logon id in lower-case hexadecimal without leading zeros; anything else as it is."""
    lower = text.lower()
    return "0x" + (lower[2:].lstrip("0") or "0") if lower.startswith("0x") else text


def registry_path(text: str) -> str:
    """Sysmon's form of a registry path: HKLM, HKU, CurrentControlSet."""
    if not OTHERWISE.match(text):
        return text
    for pattern, short in HIVES:
        text = pattern.sub(short, text, count=1)
    return text


def registry(columns: Columns) -> None:
    """registry.* from Sysmon 12-14 and from Security 4657, and Sysmon's Details text for the latter."""
    if DATA + "ObjectName" in columns and DATA + "ObjectValueName" in columns:
        other = columns.pop("registry.path", None)
        lend(columns, Joined("registry.path", columns[DATA + "ObjectName"], columns[DATA + "ObjectValueName"]))
        if other is not None:
            lend(columns, other)
    _details(columns)
    if "registry.path" in columns:
        columns["registry.path"] = Derived("registry.path", columns["registry.path"], registry_path)
    add(columns, "registry.hive", "registry.path", hive)
    add(columns, "registry.key", "registry.path", key)
    add(columns, "registry.value", "registry.path", base)
    details = DATA + "Details"
    add(columns, "registry.data.type", details, _data_type)
    add(columns, "registry.data.strings", details, _strings)


def hive(path: str) -> str | None:
    """The first part of a registry path."""
    return path.partition("\\")[0] or None


def key(path: str) -> str | None:
    """What is between the hive and the value."""
    return folder(path.partition("\\")[2])


def _data_type(text: str) -> str:
    if text.startswith(("DWORD (", "QWORD (")):
        return "REG_" + text[:5]
    return "REG_BINARY" if text == "Binary Data" else "REG_SZ"


def _strings(text: str) -> list[str] | None:
    if text.startswith(("DWORD (0x", "QWORD (0x")):
        digits = text[7:].rstrip(")").replace("-0x", "")
        try:
            return [str(int(digits, 16))]
        except ValueError:
            return None
    return None if text in ("Binary Data", "(Empty)") else [text]


def _details(columns: Columns) -> None:
    """Security 4657 gives a type and a value where Sysmon 13 gives one text, which rules expect."""
    kind, value = DATA + "NewValueType", DATA + "NewValue"
    if kind not in columns or value not in columns:
        return
    kinds, values = columns[kind], columns[value]
    lend(columns, Lazy(DATA + "Details", kinds.height, lambda: pl.Series(
        list(map(_rendered, kinds.texts, values.texts)), dtype=pl.String)))


def _rendered(kind: str | None, value: str | None) -> str | None:
    name = REG_TYPES.get(kind or "")
    if value is None or name is None:
        return None
    if name == "BINARY":
        return "Binary Data"
    if name in ("DWORD", "QWORD"):
        try:
            number = int(value, 16 if value.lower().startswith("0x") else 10)
        except ValueError:
            return value
        digits = f"{number:08x}" if name == "DWORD" else f"{number >> 32:08x}-0x{number & 0xFFFFFFFF:08x}"
        return f"{name} (0x{digits})"
    return value or "(Empty)"


def dns(columns: Columns) -> None:
    """Answers and status of Sysmon 22: `type:  5 name.example;::ffff:192.0.2.1;`."""
    source = DATA + "QueryResults"
    add(columns, "dns.answers.data", source, lambda text: [part.rpartition(" ")[2] for part in text.split(";")
        if part.strip(" -")] or None)
    add(columns, "dns.resolved_ip", source, _resolved)


def _resolved(text: str) -> list[str] | None:
    found = []
    for part in text.split(";"):
        try:
            address = ipaddress.ip_address(part.strip().rpartition(" ")[2])
        except ValueError:
            continue
        mapped = getattr(address, "ipv4_mapped", None)
        found.append(str(mapped or address))
    return found or None


def network(columns: Columns) -> None:
    """Direction, transport and address family."""
    add(columns, "network.direction", DATA + "Initiated", _initiated)
    add(columns, "network.direction", DATA + "Direction", DIRECTIONS.get)
    add(columns, "network.transport", DATA + "Protocol", TRANSPORTS.get)
    add(columns, "network.type", "source.address", _family)


def _initiated(text: str) -> str | None:
    return {"true": "egress", "false": "ingress"}.get(text.lower())


def _family(address: str) -> str | None:
    return "ipv6" if ":" in address else "ipv4" if address.count(".") == 3 else None


def outcome(keywords: str) -> str | None:
    """success or failure from the audit bits of the Security channel's keywords."""
    lower = keywords.lower()
    if "audit success" in lower or "audit failure" in lower:
        return "success" if "success" in lower else "failure"
    try:
        bits = int(keywords, 16 if lower.startswith("0x") else 10) & 0xFFFFFFFFFFFFFFFF
    except ValueError:
        return None
    return "success" if bits & 1 << 53 else "failure" if bits & 1 << 52 else None
