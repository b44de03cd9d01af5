"""The audit chain: check every link, take its Merkle heads away and check it against them. 审计链"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from soc_cli.opening import opened

app = typer.Typer(add_completion=False, no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="data directory")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]


@app.command()
def verify(
    heads: Annotated[Path | None, typer.Option(help="heads that were taken away (`./soc audit heads --out`)")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Every link of the chain, and the heads that somebody else held. Exit status 1 when it was tampered with."""
    from casework import ledger
    from soc_core import seals
    from soc_core.access import PLATFORM

    held = seals.load(heads.read_bytes()) if heads else []
    with opened(data) as services:
        found = ledger.check(PLATFORM, services, held)
    told = {"entries": found.entries, "head": found.head, "broken": found.broken, "held": found.held,
            "unlike": found.unlike._asdict() if found.unlike else None}
    if as_json:
        show(told)
    elif found.broken is not None:
        print(f"entry {found.broken} is not as it was written")
    elif found.unlike is not None:
        print(f"the first {found.unlike.size} entries are not those of the head that was taken away")
    else:
        print(f"{found.entries:,} entries, each as it was written; {found.held} heads held elsewhere agree")
    raise typer.Exit(0 if found.broken is None and found.unlike is None else 1)


@app.command()
def heads(
    out: Annotated[Path | None, typer.Option(help="write them here, for the security auditor to keep")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """The Merkle heads of the chain, one over it as it is now among them. Keep them where no administrator writes."""
    from casework import ledger
    from soc_core import clock, seals
    from soc_core.access import PLATFORM

    with opened(data) as services:
        found = ledger.heads(PLATFORM, services)
    if out:
        out.write_bytes(seals.dump(found))
    if as_json:
        show({"heads": [each._asdict() for each in found], "file": str(out) if out else None})
        return
    for each in found:
        print(f"{each.size:>10,}  {each.root}  {clock.to_text(each.at)}")


def show(value: dict[str, Any]) -> None:
    print(orjson.dumps(value).decode())
