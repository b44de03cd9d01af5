"""Check, list and test Sigma rules, and see what they cover. 规则"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)
Folders = Annotated[list[Path] | None, typer.Argument(help="rule files and folders; default: those in use")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]


@app.command()
def check(
    folders: Folders = None,
    data: Annotated[Path | None, typer.Option(help="data directory, whose tuning and mapping are checked too")] = None,
    as_json: Json = False,
) -> None:
    """Load every rule and say what was set aside, what is blind here, and what is odd. Exit 1 when a rule failed.

    The exceptions, overrides and field tables of the data directory count too: those that are wrong, that name a rule
    that is not there, that have expired, and that end within two weeks.
    """
    from soc_cli import rule_report
    from soc_core.config import load

    settings = load(data)
    report = rule_report.check(folders or settings.rules, settings)
    rule_report.show(report, as_json)
    raise typer.Exit(1 if report["failed"] else 0)


@app.command("list")
def list_(
    folders: Folders = None,
    data: Annotated[Path | None, typer.Option(help="data directory: exceptions, what alerts came to")] = None,
    as_json: Json = False,
) -> None:
    """Every rule: id, level, log source and title; with --json also its health.

    Health: blind or partly blind with the missing fields, exceptions with owner and last day and how often they held,
    alerts, when it last fired, precision. What was set aside stands beside, with file, line and reason.
    """
    from soc_cli import rule_report
    from soc_core.config import load

    settings = load(data)
    rule_report.catalogue(folders or settings.rules, as_json, settings if as_json else None)


@app.command("test")
def run(folders: Folders = None, as_json: Json = False) -> None:
    """Run the rules' own tests: native log lines through the real parser and engine. Exit 1 when one fails."""
    from soc_cli import rule_report

    raise typer.Exit(1 if rule_report.tests(folders or rule_report.ours(), as_json) else 0)


@app.command()
def coverage(
    folders: Folders = None,
    out: Annotated[Path | None, typer.Option(help="file for the layer; default: stdout")] = None,
) -> None:
    """An ATT&CK Navigator layer of the techniques that the rules show."""
    from soc_cli import rule_report

    rule_report.coverage(folders or rule_report.ours(), out)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="a SigmaHQ release: zip, tar archive, or a folder")],
    into: Annotated[Path, typer.Option(help="folder of rules to bring up to it; made where it is not there")],
    golden: Annotated[
        list[Path] | None, typer.Option(help="recordings to replay before; default: the lines of our rules' tests")
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="report and replay only")] = False,
    as_json: Json = False,
) -> None:
    """Take a release of rules in, offline: say what changes, replay golden events, then put it in place.

    Three-way against what was imported last: rules that were changed or removed here stay so; where the release
    changed them too, its version lies beside ours as NAME.yml.release. The folder as it was stays as DIR.previous.
    Exit 1 when a rule of it cannot be used.
    """
    from soc_cli import rule_replay

    raise typer.Exit(1 if rule_replay.run(source, into, golden or [], dry, as_json) else 0)
