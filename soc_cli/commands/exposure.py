"""Exposure: import scanners' reports, certificates and account reviews; list what they found. 暴露面"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from soc_cli.opening import opened

app = typer.Typer(add_completion=False, no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="data directory")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]


@app.command("import")
def take(
    paths: Annotated[list[Path], typer.Argument(help=".nessus, OpenVAS or Nmap XML; CSV of certificates or accounts")],
    zone: Annotated[str, typer.Option(help="collector zone of the addresses")] = "city",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Take reports in; of hosts that they looked at, what is no longer found is resolved. Exit 1 when a part was not
    taken."""
    from dataclasses import asdict

    from casework import exposure
    from casework.scan_xml import LARGEST
    from soc_core.access import PLATFORM

    answers = []
    with opened(data) as services:
        for path in paths:
            if path.stat().st_size > LARGEST:
                raise ValueError(f"{path} has more than {LARGEST >> 20} MiB")
            taken = asdict(exposure.take(PLATFORM, services, path.read_bytes(), zone))
            taken["faults"] = [fault._asdict() for fault in taken["faults"]]
            answers.append({"path": str(path), **taken})
            if not as_json:
                print(f"{path}: {taken['scanner']}: {taken['new']:,} new, {taken['again']:,} known, "
                      f"{taken['resolved']:,} resolved, {taken['unowned']:,} of nobody, "
                      f"{taken['informative']:,} informative")
                for fault in taken["faults"]:
                    print(f"  {fault['where']}: {fault['reason']}")
    show({"imports": answers}, as_json)
    raise typer.Exit(1 if any(answer["faults"] for answer in answers) else 0)


@app.command("list")
def listing(
    organisation: Annotated[str, typer.Option(help="of this organisation")] = "",
    kind: Annotated[str, typer.Option(help="vulnerability, service, certificate or account")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 100,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Open weaknesses, the worst first."""
    from casework import exposure
    from soc_core.access import PLATFORM

    with opened(data) as services:
        found = exposure.listing(PLATFORM, services, organisation, kind, limit=limit)
    if not as_json:
        for row in found.rows:
            one = row.exposure
            until = f"  {row.days_left} d" if row.days_left is not None else ""
            print(f"{row.level:<13} {one.kind:<13} {one.zone}:{one.address} {one.port:<9} {one.name}{until}  "
                  f"{one.organisation or '?'} {one.system}")
        print(f"{found.total:,} open")
    show({"total": found.total, "exposures": [
        {**row.exposure._asdict(), "level": row.level, "days_left": row.days_left} for row in found.rows]}, as_json)


def show(found: dict[str, Any], as_json: bool) -> None:
    import orjson

    if as_json:
        print(orjson.dumps(found).decode())
