"""Self-check against the law's demands, each line with the query behind it; no certificate. 合规自查"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soc_cli.opening import opened

app = typer.Typer(add_completion=False)
MARKS = {"met": "✓", "partly": "◐", "open": "✗", "declared": "✎", "unknown": "?"}


@app.command()
def compliance(
    organisation: Annotated[str, typer.Option(help="of this organisation; the whole city otherwise")] = "",
    export: Annotated[Path | None, typer.Option(help="write the lines as CSV here")] = None,
    data: Annotated[Path | None, typer.Option(help="data directory")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on the last line")] = False,
) -> None:
    """Every line with its evidence; exit 1 while a line is open."""
    import csv
    from dataclasses import asdict

    import orjson

    from casework import compliance as service
    from soc_core.access import PLATFORM

    with opened(data) as services:
        found = service.check(PLATFORM, services, organisation)
    if export is not None:
        with export.open("w", encoding="utf-8-sig", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(service.HEADER)
            writer.writerows(service.table(found))
    lines = [{"id": line.requirement.id, "standing": line.standing, "source": line.requirement.source,
              "zh": line.requirement.zh, "en": line.requirement.en, "query": line.requirement.query,
              "evidence": [asdict(one) for one in line.evidence],
              "statement": line.statement._asdict() if line.statement else None} for line in found.lines]
    if as_json:
        print(orjson.dumps({"organisation": organisation, "lines": lines}).decode())
    else:
        for line, row in zip(found.lines, service.table(found), strict=True):
            print(f"{MARKS[line.standing]} {line.requirement.zh} {line.requirement.en}\n    {row[5] or '—'}")
        print("自查结果，不是认证 A self-check, no certificate")
    raise typer.Exit(1 if any(line.standing == "open" for line in found.lines) else 0)
