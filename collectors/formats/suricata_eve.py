"""Suricata's EVE JSON: alerts, and what it saw of dns, http, tls, flows, files, ssh, smb and the rest.

https://docs.suricata.io/en/latest/output/eve/eve-json-format.html. What no column holds is kept whole in the
overflow under suricata.eve. DNS is read in all three versions of the record.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np
import polars as pl

from collectors.formats import _times
from collectors.formats._access_log import url_parts
from collectors.formats._frames import Piece, addresses, by_value, either, finish, gather, single_list
from collectors.formats._json import Digger, Path, Record, leftovers, records, sample, series
from collectors.formats._windows_derive import base, ending
from soc_core.protocols import Context, Fault, Ints, Parsed
from soc_core.schema import SCHEMA

PROGRAMS = ("suricata",)
# sub-object → {name in it: column}
MAP: dict[str, dict[str, str]] = {
    "": {
        "timestamp": "@timestamp", "src_ip": "source.address", "src_port": "source.port",
        "dest_ip": "destination.address",
        "dest_port": "destination.port", "proto": "network.transport", "app_proto": "network.protocol",
        "community_id": "network.community_id", "in_iface": "observer.ingress.interface.name",
        "host": "observer.hostname",
    },
    "ether": {"src_mac": "source.mac", "dest_mac": "destination.mac"},
    "alert": {
        "signature": "rule.name", "signature_id": "rule.id", "rev": "rule.version", "category": "rule.category",
        "severity": "event.severity", "action": "event.action",
    },
    "dns": {
        "id": "dns.id", "type": "dns.type", "rrname": "dns.question.name", "rrtype": "dns.question.type",
        "rcode": "dns.response_code",
    },
    "http": {
        "hostname": "url.domain", "url": "url.original", "http_port": "url.port",
        "http_user_agent": "user_agent.original",
        "http_refer": "http.request.referrer", "http_method": "http.request.method",
        "status": "http.response.status_code",
        "length": "http.response.body.bytes", "http_content_type": "http.response.mime_type",
        "protocol": "http.version",
    },
    "tls": {
        "subject": "tls.server.subject", "issuerdn": "tls.server.issuer", "sni": "tls.client.server_name",
        "version": "tls.version",
        "fingerprint": "tls.server.hash.sha1", "notbefore": "tls.server.not_before", "notafter": "tls.server.not_after",
        "session_resumed": "tls.resumed",
    },
    "flow": {
        "pkts_toserver": "source.packets", "bytes_toserver": "source.bytes", "pkts_toclient": "destination.packets",
        "bytes_toclient": "destination.bytes", "start": "event.start", "end": "event.end", "reason": "event.reason",
    },
    "fileinfo": {
        "filename": "file.path", "size": "file.size", "md5": "file.hash.md5", "sha1": "file.hash.sha1",
        "sha256": "file.hash.sha256",
        "mimetype": "file.mime_type",
    },
    "smb": {"filename": "file.path"},
    "anomaly": {"event": "event.reason"},
    "krb5": {"cname": "user.name"},
    "email": {"from": "source.user.name"},
}
DEEP: dict[Path, str] = {("tls", "ja3", "hash"): "tls.client.ja3", ("tls", "ja3s", "hash"): "tls.server.ja3s"}
QUESTION = (("dns", "queries"), ("dns", "query"))  # versions 3, and 2 inside alerts
PROTOCOLS = frozenset({"dns", "http", "tls", "ssh", "smb", "ftp", "smtp", "krb5", "rdp", "snmp", "dhcp", "tftp", "mqtt",
    "nfs"})  # whose name the type is
# event_type → (kind, categories, types, Sigma log sources)
NETWORK = ("network",)
TYPES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "alert": ("alert", ("network", "intrusion_detection"), ("info",), ("suricata//alert",)),
    "drop": ("event", NETWORK, ("denied",), ("/firewall/",)),
    "dns": ("event", NETWORK, ("protocol", "info"), ("/dns/",)),
    "mdns": ("event", NETWORK, ("protocol", "info"), ()),
    "http": ("event", ("network", "web"), ("access", "protocol"), ("/proxy/", "/webserver/")),
    "http2": ("event", ("network", "web"), ("access", "protocol"), ()),
    "tls": ("event", NETWORK, ("protocol", "connection"), ()),
    "flow": ("event", NETWORK, ("connection", "end"), ("//netflow",)),
    "netflow": ("event", NETWORK, ("connection", "info"), ()),
    "fileinfo": ("event", ("network", "file"), ("info",), ()),
    "anomaly": ("event", NETWORK, ("error",), ()),
    "stats": ("metric", NETWORK, ("info",), ()),
}
OTHER = ("event", NETWORK, ("protocol", "info"), ())


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; records of one type are taken together. Others are faults."""
    found, faults = records(lines, ctx.encoding)
    groups: dict[str, list[int]] = {}
    for number, record in enumerate(found):
        if record is None:
            continue
        kind = record.get("event_type")
        if type(kind) is str and "timestamp" in record:
            groups.setdefault(kind, []).append(number)
        else:
            faults.append(Fault(number, "JSON, but no EVE record (event_type and timestamp)"))
    pieces = [
        _group(kind, [found[n] or {} for n in numbers], np.array(numbers, dtype=np.int64), ctx) for kind,
        numbers in groups.items()
    ]
    return gather(pieces, faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are JSON objects with event_type and timestamp."""
    return 0.97 * sum("event_type" in record and "timestamp" in record for record in sample(lines)) / max(len(lines), 1)


def _group(kind: str, rows: list[Record], numbers: Ints, ctx: Context) -> Piece:
    digger = Digger(rows)
    present = digger.keys()
    columns: dict[str, pl.Series] = {}
    taken: list[Path] = []
    for part, names in MAP.items():
        if part and part not in present:
            continue
        held = digger.keys((part,)) if part else present
        for name, column in names.items():
            path: Path = (part, name) if part else (name,)
            if name in held and column not in columns and (made := _column(column, digger.values(path),
                ctx)) is not None:
                columns[column] = made
                taken.append(path)
    for deep, column in DEEP.items():
        made = _column(column, digger.values(deep), ctx) if deep[0] in present else None
        if made is not None:
            columns[column] = made
    if "dns" in present:
        _dns(columns, digger)
    duration = _column("event.duration", digger.values(("flow", "age")), ctx) if "flow" in present else None
    if duration is not None:
        columns["event.duration"] = duration * 1_000_000_000
    _derived(columns, kind)
    left = leftovers({"suricata": {"eve": row}} if row else None for row in _without(digger, taken))
    if left is not None:
        columns["overflow"] = left
    frame = pl.DataFrame([one.alias(name) for name, one in columns.items()])
    return Piece(numbers, finish(frame, _fixed(kind)))


def _column(name: str, values: Sequence[Any], ctx: Context) -> pl.Series | None:
    made = series(name, values)
    if made is not None and SCHEMA.dtype(name) == pl.Datetime("us", "UTC"):
        return _times.iso(made, ctx.timezone if name == "@timestamp" else "UTC").alias(name)
    return made


def _without(digger: Digger, taken: Sequence[Path]) -> Sequence[Record | None]:
    """Of each record what did not become columns."""
    rows = digger.values(())
    inner: dict[str, set[str]] = {}
    for part, name in (path for path in taken if len(path) == 2):
        inner.setdefault(part, set()).add(name)
    whole = {part for part, names in inner.items() if digger.keys((part,)) <= names and _objects(digger, part)}
    left = digger.keys() - {path[0] for path in taken if len(path) == 1} - whole
    if not left:
        return [None] * len(rows)
    found = _kept(rows, left, True)
    for part, names in inner.items():
        if part in left:
            held = [number for number, row in enumerate(found) if type(row.get(part)) is dict]
            kept = _kept([found[number][part] for number in held], names, False)
            for number, one in zip(held, kept, strict=True):
                if one:
                    found[number][part] = one
                else:
                    del found[number][part]
    return found


def _kept(rows: Sequence[Record], names: Container[str], these: bool) -> list[Record]:
    """Records with only these names, or without them; for those that are named alike it is worked out once."""
    known: dict[tuple[str, ...], list[str]] = {}
    found = []
    for row in rows:
        own = tuple(row)
        kept = known.get(own)
        if kept is None:
            kept = known[own] = [name for name in own if (name in names) is these]
        found.append({name: row[name] for name in kept})
    return found


def _objects(digger: Digger, part: str) -> bool:
    """Whether the part is an object wherever it is."""
    values = digger.values((part,))
    return sum(part in row for row in digger.values(())) == sum(type(value) is dict for value in values)


def _dns(columns: dict[str, pl.Series], digger: Digger) -> None:
    """Questions of every version, and all answers."""
    held = digger.keys(("dns",))
    for name, key in (("dns.question.name", "rrname"), ("dns.question.type", "rrtype")):
        for path in QUESTION:
            if path[1] not in held:
                continue
            made = series(name, digger.values((*path, key)))
            if made is not None:
                columns[name] = made.fill_null(columns[name]) if name in columns else made
    if not held & {"answers", "answer", "rdata"}:
        listed: list[list[Any] | None] = []
    else:
        listed = [_answers(one) for one in digger.values(("dns",))]
    for name, key in (("dns.answers.data", "rdata"), ("dns.answers.type", "rrtype"), ("dns.answers.name", "rrname"),
        ("dns.answers.ttl", "ttl")):
        made = series(name, [[a[key] for a in answers if key in a] if answers else None
            for answers in listed]) if listed else None
        if made is not None:
            columns[name] = made
    if "dns.answers.data" in columns:
        columns["dns.resolved_ip"] = _resolved(columns["dns.answers.data"])
    if "dns.type" in columns:  # version 3 has its own words
        words = {"request": "query", "response": "answer"}
        columns["dns.type"] = by_value(columns["dns.type"], lambda word: words.get(word, word))


def _resolved(answers: pl.Series) -> pl.Series:
    """Those of the answers that are addresses; null where there are none."""
    flat = answers.explode()
    if len(flat) == len(answers):  # one or none each
        return single_list(addresses(flat), "dns.resolved_ip")
    resolved = pl.DataFrame({"n": range(len(answers)), "ip": answers}).explode("ip")
    kept = resolved.with_columns(addresses(resolved["ip"]).alias("ip")).group_by("n",
        maintain_order=True).agg(pl.col("ip").drop_nulls())
    return kept["ip"].set(kept["ip"].list.len() == 0, None)


def _answers(dns: Any) -> list[Any] | None:
    if type(dns) is not dict:
        return None
    if type(dns.get("answers")) is list:
        return [answer for answer in dns["answers"] if type(answer) is dict]
    inner = dns.get("answer")
    if type(inner) is dict:
        return _answers(inner)
    return [{key: dns[key] for key in ("rdata", "rrtype", "rrname", "ttl") if key in dns}] if "rdata" in dns else None


def _derived(columns: dict[str, pl.Series], kind: str) -> None:
    """Values in ECS's own form, and what follows from them."""
    for side in ("source", "destination"):
        if f"{side}.address" in columns:
            columns[f"{side}.ip"] = addresses(columns[f"{side}.address"])
    for name, read in (
        ("network.transport", str.lower), ("network.protocol", lambda t: None if t in ("failed", "unknown") else t),
        ("http.version", lambda t: t.rpartition("/")[2] or None),
        ("tls.version", lambda t: t.rpartition(" ")[2].removeprefix("TLSv") or None),
        ("tls.server.hash.sha1", lambda t: t.replace(":", "").upper()),
        ("source.mac", lambda t: t.replace(":", "-").upper()),
        ("destination.mac", lambda t: t.replace(":", "-").upper()),
    ):
        if name in columns:
            columns[name] = by_value(columns[name], read)
    if "source.address" in columns:
        columns["network.type"] = by_value(columns["source.address"], lambda t: "ipv6" if ":" in t else "ipv4")
    for unit in ("bytes", "packets"):
        if f"source.{unit}" in columns and f"destination.{unit}" in columns:
            columns[f"network.{unit}"] = columns[f"source.{unit}"] + columns[f"destination.{unit}"]
    if "url.original" in columns:
        for part in url_parts(columns["url.original"]):
            own = columns.get(part.name)
            columns[part.name] = part if own is None else either(own, part)
        if kind == "http" and "http.response.status_code" in columns:
            status = columns["http.response.status_code"]
            columns["event.outcome"] = pl.Series(["failure" if code and code >= 400 else "success" if code else None
                for code in status], dtype=pl.String)
    if "file.path" in columns:
        columns["file.name"] = by_value(columns["file.path"], base)
        columns["file.extension"] = by_value(columns["file.path"], ending)
    if kind == "alert" and "event.action" in columns:
        words = {"allowed": ["info", "allowed"], "blocked": ["info", "denied"]}
        columns["event.type"] = by_value(columns["event.action"], lambda word: words.get(word, ["info"]),
            pl.List(pl.String))


def _fixed(kind: str) -> dict[str, Any]:
    what, categories, types, sigma = TYPES.get(kind, OTHER)
    fixed: dict[str, Any] = {
        "event.kind": what, "event.category": list(categories), "event.type": list(types), "event.module": "suricata",
        "event.dataset": "suricata.eve", "event.code": kind, "service.type": "suricata", "observer.type": "ids",
        "observer.product": "Suricata",
        "observer.vendor": "OISF",
    }
    if kind in PROTOCOLS:
        fixed["network.protocol"] = kind
    return fixed | ({"sigma.logsource": list(sigma)} if sigma else {})
