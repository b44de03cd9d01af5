"""Learned detectors: train, measure beside a plain threshold, compare, put into use, take back. 模型"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from detections.artefacts import Card
    from detections.learn import Labelled
    from soc_core.config import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Name = Annotated[str, typer.Argument(help="domain_generation, unusual_logon, web_attack (./soc models list)")]
File = Annotated[Path | None, typer.Option("--data", help="labelled CSV or CSV.gz; default: a generated set")]
Store = Annotated[Path | None, typer.Option(help="data directory that keeps the versions; default: SOC_DATA or ./data")]
Version = Annotated[str, typer.Option(help="number of a version, as 0002")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on the last line")]


def _open(name: str, store: Path | None, data: Path | None) -> tuple[Settings, Labelled | None]:
    from detections import learn
    from soc_core.config import load

    learn.model(name)
    return load(store), learn.read(name, data) if data else None


def _show(result: dict[str, Any], as_json: bool, text: str) -> None:
    import orjson

    print(orjson.dumps(result).decode() if as_json else text)


def _card(card: Card, as_json: bool, **more: Any) -> None:
    result = {**card.model_dump(), **more}
    told = f"{card.model} {card.version}: " + (f"in use ({more['reason']})" if more["promoted"] else more["reason"])
    _show(result, as_json, f"{told}\n{_rows(card.tested, card.figures.model_dump(), card.baseline.model_dump())}")


def _rows(n: int, own: dict[str, Any], plain: dict[str, Any]) -> str:
    head = f"  {'on ' + str(n) + ' rows':<16}{'AUC':>9}{'precision':>11}{'recall':>9}{'FPR':>9}"
    lines = [
        f"  {what:<16}{row['auc']:>9.4f}{row['precision']:>11.4f}{row['recall']:>9.4f}{row['fpr']:>9.4f}"
        for what, row in (("model 模型", own), ("threshold 门限", plain))
    ]
    return "\n".join([head, *lines])


@app.command()
def train(name: Name, data: File = None, seed: int = 1, store: Store = None,
          promote: Annotated[bool, typer.Option(help="put it into use if it is no worse than the one in use")] = True,
          as_json: Json = False) -> None:
    """Train a new version from a file, or from generated data."""
    from detections import learn

    settings, rows = _open(name, store, data)
    done = learn.train(name, settings, rows, seed, promote)
    _card(done.card, as_json, promoted=done.promoted, reason=done.reason)


@app.command(name="eval")
def evaluate(name: Name, data: File = None, version: Version = "", store: Store = None, as_json: Json = False) -> None:
    """Figures on rows that the model never learned from, beside the plain threshold's."""
    from detections import learn

    settings, rows = _open(name, store, data)
    result = learn.evaluate(name, settings, rows, version)
    _show(result, as_json, f"{name} {result['version']}, {result['left_out']} rows seen in training left out\n"
          + _rows(result["n"], result, result["baseline"]))


@app.command()
def compare(name: Name, data: File = None, version: Version = "", store: Store = None, as_json: Json = False) -> None:
    """The version in use beside another (by default the newest), on the same rows."""
    from detections import learn

    settings, rows = _open(name, store, data)
    result = learn.compare(name, settings, rows, version)
    text = "\n".join(
        f"  {role:<10}{one['version']}  AUC {one['auc']:.4f}  precision {one['precision']:.4f}  "
        f"recall {one['recall']:.4f}  FPR {one['fpr']:.4f}"
        for role, one in (("in use", result["active"]), ("other", result["candidate"]))
    )
    _show(result, as_json, f"{name} on {result['n']} rows\n{text}")


@app.command()
def promote(name: Name, version: Version = "", store: Store = None, as_json: Json = False) -> None:
    """Put a version (by default the newest) into use."""
    from detections.artefacts import Shelf

    settings, _ = _open(name, store, None)
    _card(Shelf(settings.models, name).promote(version), as_json, promoted=True, reason="promoted")


@app.command()
def rollback(name: Name, store: Store = None, as_json: Json = False) -> None:
    """Go back to the version that was in use before."""
    from detections.artefacts import Shelf

    settings, _ = _open(name, store, None)
    _card(Shelf(settings.models, name).rollback(), as_json, promoted=True, reason="rolled back")


@app.command(name="list")
def listed(store: Store = None, as_json: Json = False) -> None:
    """The models, their versions, and which is in use."""
    from detections import learn
    from detections.artefacts import Shelf
    from soc_core.config import load

    settings = load(store)
    rows = []
    for name in learn.names():
        shelf = Shelf(settings.models, name)
        rows.append({"model": name, "title": learn.model(name).TITLE, "active": shelf.state().active,
                     "versions": shelf.versions()})
    _show({"models": rows}, as_json, "\n".join(
        f"  {row['model']:<20}{row['active'] or '-':<6}{row['title']}" for row in rows))
