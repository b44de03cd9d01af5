"""Exercises: replay a scenario as native log lines and say what was detected, missed, and flagged wrongly. 演练"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from drills.run import Result
    from soc_core.config import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Data = Annotated[Path | None, typer.Option(help="data directory: its rules and models apply, it keeps the result")]
City = Annotated[Path | None, typer.Option(help="city pack")]
Seed = Annotated[int, typer.Option(help="addresses, accounts and moments; equal seeds give equal bytes")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]


def _run(name: str, seed: int, settings: Settings) -> Result:
    from detections.attack import resolve
    from drills import scenario
    from drills.run import run
    from soc_cli.replay import Runner

    def tactics(technique: str) -> frozenset[str]:
        found = resolve(technique)
        return frozenset(found.tactics) if found else frozenset()

    result = run(_scenario(name, settings, scenario.load), seed, Runner(settings), tactics)
    _keep(result, settings)
    return result


def _scenario(name: str, settings: Settings, load: Any) -> Any:
    """Our own scenario, or one of the city pack's."""
    own = settings.city / "scenarios" / f"{name}.yml"
    return load(str(own)) if own.exists() else load(name)


def _keep(result: Result, settings: Settings) -> None:
    """Write the result where the console finds it; nothing when the platform was never started here."""
    if not settings.data.is_dir():
        return
    from drills.report import as_object
    from soc_core.clock import now, to_text
    from soc_core.models import REAL
    from soc_core.state import drills
    from soc_core.state.database import Database

    state = Database(settings.state_url)
    state.migrate()
    at = now()
    try:
        with state.begin() as session:
            drills.save(session, drills.DrillResult(f"{result.scenario.id}:{result.seed}:{to_text(at)}",
                                                    result.scenario.id, at, result.seed, REAL, as_object(result)))
    finally:
        state.close()


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="id or file of a scenario (./soc drill list)")],
    seed: Seed = 1, data: Data = None, city: City = None, as_json: Json = False,
    language: Annotated[Literal["", "zh", "en"], typer.Option(help="of the text; default: as set up")] = "",
) -> None:
    """One exercise. Exit 1 when a step was missed, a decoy flagged, or a rule speaks without any attack."""
    import orjson

    from drills import report
    from soc_core.config import load

    settings = load(data, city=city)
    result = _run(scenario, seed, settings)
    whole = report.as_object(result)
    print(orjson.dumps(whole).decode() if as_json else report.as_text(result, language or settings.language))
    raise typer.Exit(1 if whole["missed"] or whole["decoys_flagged"] or whole["placebo_detected"] else 0)


@app.command()
def nightly(seed: Seed = 1, data: Data = None, city: City = None, as_json: Json = False) -> None:
    """Every scenario, and the sums. Exit 1 when a decoy was flagged or a rule speaks without any attack."""
    import sys

    import orjson

    from drills import report, scenario
    from soc_core.config import load

    settings = load(data, city=city)
    results = []
    for name in [*scenario.listed(), *scenario.listed(settings.city / "scenarios")]:
        if sys.stderr.isatty():
            print(f"  {name} …", file=sys.stderr)
        results.append(_run(name, seed, settings))
        if not as_json:
            print(report.as_text(results[-1], settings.language) + "\n")
    sums = report.nightly(results)
    print(orjson.dumps(sums).decode() if as_json else
          f"step recall {sums['step_recall']:.2f}, by technique {sums['technique_quality']:.2f}, "
          f"decoys flagged {sums['decoys_flagged']}/{sums['decoys']}, false alerts {sums['false_alerts']}")
    raise typer.Exit(1 if sums["decoys_flagged"] or sums["placebo_detected"] else 0)


@app.command(name="list")
def listed(data: Data = None, city: City = None, as_json: Json = False) -> None:
    """The scenarios there are."""
    import orjson

    from drills import scenario
    from soc_core.config import load

    settings = load(data, city=city)
    rows = []
    for name in [*scenario.listed(), *scenario.listed(settings.city / "scenarios")]:
        one = _scenario(name, settings, scenario.load)
        rows.append({"id": one.id, "name": one.name.model_dump(), "systems": one.systems, "steps": len(one.attacks),
                     "decoys": len(one.decoys), "techniques": sorted({t for s in one.attacks for t in s.techniques})})
    print(orjson.dumps({"scenarios": rows}).decode() if as_json else "\n".join(
        f"  {row['id']:<22}{row['steps']} steps, {row['decoys']} decoys  {row['name']['zh']}" for row in rows))
