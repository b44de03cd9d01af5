"""the city on record and its simulator: show, whose, check, simulate, pack, realism"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from simulate.deliver import Delivery
    from simulate.run import Simulation

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
Json = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]
CityOption = Annotated[Path | None, typer.Option("--city", help="city folder (default: the configured one)")]
SHOWN = 8  # systems named in a line for people
DataOption = Annotated[Path | None, typer.Option("--data", help="data directory")]


def folder(city: Path | None, data: Path | None = None) -> Path:
    from soc_core.config import load

    return load(data, city=city).city


@app.command()
def show(city: CityOption = None, data: DataOption = None, as_json: Json = False) -> None:
    """How many organisations, systems, networks, hosts and expected sources there are."""
    from collections import Counter

    from soc_core import inventory

    begun = time.perf_counter()
    found = inventory.load(folder(city, data))
    seconds = time.perf_counter() - begun
    kinds = Counter(unit.kind for unit in found.organisations.values())
    register = found.expected_sources()
    numbers = {
        "organisations": len(found.organisations), "systems": len(found.systems), "named": len(found.named),
        "networks": len(found.networks), "hosts": len(found.hosts), "expected_sources": len(register),
        "connected_sources": sum(source.connected for _, source in register), "load_seconds": round(seconds, 3),
    }
    coverage = Counter(system.coverage for system in found.systems.values())
    if not as_json:
        print(f"{found.city.name} {found.city.name_en}\n{found.city.fictional}\n")
        for name, value in (*numbers.items(), *kinds.items(), *((f"coverage {k}", n) for k, n in coverage.items())):
            print(f"  {name.replace('_', ' '):<22} {value}")
    else:
        print(json.dumps({"city": found.city.id} | numbers | {"kinds": kinds, "coverage": coverage}))


@app.command()
def whose(
    names: Annotated[list[str], typer.Argument(help="addresses and host names")],
    zone: Annotated[str, typer.Option(help="collector zone that they are met in")] = "city",
    city: CityOption = None,
    data: DataOption = None,
    as_json: Json = False,
) -> None:
    """Whose events an address or a host tells, and what fails with that system. Exit 1 when nobody holds one."""
    from soc_core import inventory

    found = inventory.load(folder(city, data))
    rows: list[dict[str, Any]] = []
    for name in names:
        owner = found.locate(zone, address=name) or found.locate(zone, host=name)
        system = owner.system if owner else ""
        rows.append({"name": name, "organisation": owner.organisation if owner else None, "system": system or None,
                     "dependents": sorted(found.dependents(system)) if system else []})
    for row in [] if as_json else rows:
        unit = found.organisations.get(row["organisation"] or "")
        said = f"{unit.id} {unit.name} {unit.name_en}".strip() if unit else f"nobody in the zone {zone}"
        print(f"{row['name']:<24} {said}" + (f", system {row['system']}" if row["system"] else ""))
        if more := row["dependents"]:
            print(f"{'':<24} fails with it: {len(more)} systems: {', '.join(more[:SHOWN])}{' …' * (len(more) > SHOWN)}")
    if as_json:
        print(json.dumps({"owners": rows}))
    raise typer.Exit(0 if all(row["organisation"] for row in rows) else 1)


@app.command()
def simulate(
    seed: Annotated[int, typer.Option(min=0, help="same seed, same bytes")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="lines a second of wall clock; 0: as fast as it goes")] = 0,
    lines: Annotated[int, typer.Option(min=1, help="how many lines")] = 100_000,
    out: Annotated[Path | None, typer.Option(help="write files below this folder")] = None,
    to: Annotated[str, typer.Option(help="tcp://H:P, udp://H:P, http://…, kafka://H:P/TOPIC")] = "",
    token: Annotated[str, typer.Option(help="bearer token for http", envvar="SOC_TOKEN")] = "",
    start: Annotated[str, typer.Option(help="first moment, ISO 8601")] = "2026-11-23T00:00:00+08:00",
    span: Annotated[str, typer.Option(help="simulated time that the lines cover: 10m, 1h, 1d …")] = "",
    attacks: Annotated[int, typer.Option(help="attacks laid over it; -1: 60 a simulated day")] = -1,
    systems: Annotated[str, typer.Option(help="only these systems, by id, with commas")] = "",
    gaps: Annotated[bool, typer.Option("--gaps/--no-gaps", help="leave out sources that were never connected")] = True,
    city: CityOption = None,
    data: DataOption = None,
    as_json: Json = False,
) -> None:
    """Native log lines of the whole city, with attacks whose truth is kept apart."""
    from simulate import attacks as attack_data
    from simulate import deliver
    from simulate.run import Simulation
    from soc_core import clock, inventory

    if out and to:
        raise ValueError("give --out or --to, not both")
    place = folder(city, data)
    found = inventory.load(place)
    wanted = frozenset(part for part in systems.split(",") if part) or None
    for name in wanted or ():
        if name not in found.systems:
            raise LookupError(f"no system {name!r} in this city")
    average = found.city.average_events_per_second
    if span:
        average = lines / (length(span) / clock.SECOND)
    run = Simulation(found, seed, clock.from_text(start), lines, average, attack_data.paths(place),
                     None if attacks < 0 else attacks, wanted, gaps)
    where: Delivery = deliver.Nowhere()
    if out:
        where = deliver.Files(out, run.traffic.streams)
    elif to:
        where = deliver.to(to, token, run.traffic.streams)
    begun = time.perf_counter()
    sent = send_all(run, where, rate)
    made = where.close(run.strikes)
    seconds = time.perf_counter() - begun
    truths = [strike.truth for strike in run.strikes]
    result = {"lines": sent, "seconds": round(seconds, 3), "lines_per_second": round(sent / seconds),
              "attacks": len({truth.attack for truth in truths}), "attack_lines": sum(truth.lines for truth in truths),
              "streams": len(run.traffic.listed), "systems": len(run.traffic.streams.by_system), "seed": seed} | made
    if as_json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"  {key.replace('_', ' '):<18} {value}")


def send_all(run: Simulation, where: Delivery, rate: float) -> int:
    """Deliver a whole run at its pace, with a bar on a terminal; how many lines there were."""
    import sys

    from rich.console import Console
    from rich.progress import Progress

    from simulate.run import BLOCK, Pace

    pace, sent = Pace(rate), 0
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("simulate", total=run.count)
        for block in run.blocks():
            # paced runs go out in quarters of a second; the lines themselves never depend on the pace
            for part in block.parts(max(int(rate / 4), 1) if rate else BLOCK):
                where.send(part)
                sent += part.lines.height
                pace.wait(part.lines.height)
                bar.update(task, completed=sent)
    return sent


def length(text: str) -> int:
    """`10m`, `1h`, `1d` as microseconds. Raises ValueError."""
    from soc_core import clock

    units = {"s": clock.SECOND, "m": clock.MINUTE, "h": clock.HOUR, "d": clock.DAY}
    if not text[:-1].isdigit() or text[-1:] not in units or not int(text[:-1]):
        raise ValueError(f"not a length of time: {text!r} (give 30s, 10m, 1h or 1d)")
    return int(text[:-1]) * units[text[-1]]


@app.command()
def check(city: CityOption = None, data: DataOption = None, as_json: Json = False) -> None:
    """Which systems have a source, detections, a playbook and a drill; status 1 while some lack one."""
    from simulate.readiness import readiness
    from soc_core import inventory
    from soc_core.config import ROOT

    place = folder(city, data)
    rows = readiness(inventory.load(place), place, ROOT)
    complete = all(row.status in ("complete", "not counted") for row in rows)
    if as_json:
        print(json.dumps({"systems": [row._asdict() for row in rows], "complete": complete}, ensure_ascii=False))
    else:
        print(f"  {'system':<26} {'source':<26} {'detections':>10} playbook                 drill            status")
        for row in rows:
            source = ",".join(row.source) or "-"
            playbook, drill = ",".join(row.playbook) or "-", ",".join(row.drill) or "-"
            print(f"  {row.id:<26} {source:<26.26} {len(row.detections):>10} {playbook:<24.24} {drill:<16.16} "
                  f"{row.status}")
    raise typer.Exit(0 if complete else 1)


@app.command()
def pack(city: CityOption = None, seed: Annotated[int | None, typer.Option(help="another seed")] = None) -> None:
    """Make the generated files of the Changsha pack anew, from its hand-written ones."""
    from simulate.pack import SEED, files

    place = folder(city)
    for name, contents in files(place, SEED if seed is None else seed).items():
        (place / name).write_bytes(contents)
        print(f"  {place / name}: {len(contents)} bytes")


@app.command()
def realism(corpora: Annotated[Path | None, typer.Option(envvar="SOC_CORPORA")] = None, as_json: Json = False) -> None:
    """Simulated lines beside public recordings of the same kind: the table of docs/simulator.md."""
    from simulate.realism import comparison, markdown
    from soc_core.config import ROOT

    rows = comparison(corpora or ROOT.parent / "shared" / "corpora", folder(None))
    print(json.dumps({"rows": [row.record() for row in rows]}) if as_json else markdown(rows))
