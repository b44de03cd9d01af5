"""docs/sources.md, made from the code: every format with a sample, its fields, and how to point its product at us."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from collectors.parse import PACKAGE, guarded
from soc_core import clock, documents, registry
from soc_core.config import ROOT, Listen
from soc_core.protocols import Context
from soc_core.schema import SCHEMA

PLACE = ROOT / "docs" / "sources.md"
FIXTURES = ROOT / "tests" / "collectors" / "formats"
CONTEXT = Context(clock.from_text("2026-11-23T00:00:00Z"))
WIDEST = 600  # characters of a sample
COMMON = frozenset((
    "@timestamp", "event.kind", "event.category", "event.type", "event.outcome", "event.action", "event.module",
    "event.dataset", "service.type", "related.ip", "related.user", "related.hosts", "related.hash", "sigma.logsource",
    "message", "overflow", "event.timezone",
))


class Pointing(BaseModel):
    """collectors/pointing.yml: words by kind of format, and by format."""

    model_config = ConfigDict(extra="forbid")

    kinds: dict[str, str]
    products: dict[str, str]


def page() -> str:
    """The whole page as Markdown."""
    pointing = documents.read(ROOT / "collectors" / "pointing.yml", Pointing)
    names = registry.names(PACKAGE)
    if unknown := sorted(set(pointing.products) - set(names)):
        raise ValueError(f"collectors/pointing.yml names formats that are not there: {', '.join(unknown)}")
    listen = Listen()
    head = f"""# Sources

Made by `./soc collect --describe` from `collectors/formats/`, their fixtures and `collectors/pointing.yml`.

{len(names)} formats. A format is found by content; `format=` (or `--format`) says it outright. Every event has
`@timestamp`, `event.kind`, `event.category`, `event.type`, `event.dataset`, `related.*` and its line in
`event.original`; below each format stand the other columns that its samples fill.

## Doors

| door | address | for |
|---|---|---|
| syslog | UDP and TCP {listen.syslog_tcp}, TLS and RELP where `listen:` sets them | devices, rsyslog, syslog-ng |
| HTTP | `POST :{listen.http}/ingest?source=&format=`, bearer token, gzip, `Idempotency-Key` | scripts, webhooks |
| Elasticsearch | `:{listen.http}/_bulk` | Beats, Logstash, Fluent Bit, Vector |
| Splunk | `:{listen.http}/services/collector` | HEC senders |
| OTLP | `:{listen.http}/v1/logs` | OpenTelemetry collectors |
| files | `tails:`, `drops:`, `./soc ingest` | rotated logs, SFTP drop folders, EVTX |
| MQTT, databases | `mqtt:`, `databases:` in soc.yaml | sensors; tables with a watermark |

The token of the HTTP doors is in `data/secrets/ingest_token`.
"""
    return head + "".join(_section(name, pointing) for name in names)


def _section(name: str, pointing: Pointing) -> str:
    module = registry.get(PACKAGE, name)
    about = (module.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    lines = _sample(name)
    fields = _fields(name, lines)
    kind = "syslog" if getattr(module, "SYSLOG_MARKS", ()) else "json" if lines[:1] and lines[0][:1] == b"{" else "file"
    how = pointing.products.get(name, pointing.kinds[kind]).replace("FORMAT", name)
    shown = lines[0].decode("utf-8", "replace")[:WIDEST] if lines else ""
    parts = [f"\n## {name}\n\n{about}\n\n**Point it at us:** {how}\n"]
    if shown:
        parts.append(f"\n```\n{shown}\n```\n")
    if fields:
        parts.append("\n| column | what it holds |\n|---|---|\n")
        parts += [f"| {column} | {_about(column)} |\n" for column in fields]
    return "".join(parts)


def _sample(name: str) -> list[bytes]:
    return [line for log in sorted((FIXTURES / name).glob("*.log")) for line in log.read_bytes().split(b"\n") if line]


def _fields(name: str, lines: list[bytes]) -> list[str]:
    """Columns that the samples fill, those of ECS and declared ones; names below a free namespace as one."""
    if not lines:
        return []
    batch = guarded(name, lines, CONTEXT).batch
    found = {column for column in batch.fields if batch.column(column).null_count() < batch.height} - COMMON
    spaces = {f"{space}.*" for space in SCHEMA.namespaces for column in found
              if column not in SCHEMA.columns and column.startswith(space + ".")}
    return sorted({column for column in found if column in SCHEMA.columns} | spaces)


def _about(column: str) -> str:
    known = SCHEMA.columns.get(column)
    return (known.about if known else SCHEMA.namespaces.get(column.removesuffix(".*"), "")).replace("|", "\\|")


def write(place: Path = PLACE) -> Path:
    """Write the page and say where."""
    place.write_text(page(), encoding="utf-8")
    return place
