"""Files to ECS documents on stdout, nested as ECS is, one JSON line an event. 规范化"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc_core.events import EventBatch
    from soc_core.protocols import ParsedFrames, Raws

app = typer.Typer(add_completion=False)
SHOWN = 5  # reasons named on stderr


@app.command()
def normalise(
    paths: Annotated[list[Path], typer.Argument(help="files and folders; .gz and .evtx included")],
    format: Annotated[str, typer.Option(help="format of all of them; default: found by content")] = "",
    timezone: Annotated[str, typer.Option(help="zone of times that name none, as Asia/Shanghai")] = "",
) -> None:
    """Print one ECS document an event, in the order of the records.

    Records that no format can read are counted on stderr with their reasons; the exit status is 1 then.
    """
    import sys

    import orjson

    from soc_core import config, registry

    if format:
        registry.get("collectors.formats", format)
    zone = config.timezone(timezone or config.load(None).timezone)
    problems: list[str] = []
    out = sys.stdout.buffer
    for batch in _batches(paths, format, zone, problems):
        for document in documents(batch):
            out.write(orjson.dumps(document) + b"\n")
    out.flush()
    for problem in problems[:SHOWN]:
        print(f"soc: {problem}", file=sys.stderr)
    if problems:
        print(f"soc: {len(problems)} files or records could not be read", file=sys.stderr)
    raise typer.Exit(1 if problems else 0)


def _batches(paths: list[Path], format: str, timezone: str, problems: list[str]) -> Iterator[EventBatch]:
    from soc_cli.reading import taken

    last, first = None, 0
    for path, raws in taken(paths, problems, format, timezone=timezone):
        last, first = path, first if path == last else 0
        parsed, batch = _parsed(raws, first)
        problems += [f"{path}: record {first + fault.line + 1}: {fault.reason}" for fault in parsed.faults]
        first += len(raws.lines)
        yield batch


def _parsed(raws: Raws, first: int) -> tuple[ParsedFrames, EventBatch]:
    """One set of records parsed and identified, as the pipeline does it."""
    from collectors.parse import parse
    from soc_core.identify import identify, records
    from soc_core.protocols import Frame

    frame = Frame(0, first, raws)
    parsed = parse([frame])
    return parsed, identify(parsed, records([frame], "normalise"))[0]


def documents(batch: EventBatch) -> Iterator[dict[str, Any]]:
    """The events of a batch as nested documents, in order; times in RFC 3339, the overflow as an object."""
    from soc_core import clock

    found: list[dict[str, Any]] = [{} for _ in range(batch.height)]
    for rows, frame in batch.parts:
        for name in sorted(frame.columns):
            steps = name.split(".")
            for row, value in zip(rows.tolist(), frame[name].to_list(), strict=True):
                if value is None:
                    continue
                if hasattr(value, "tzinfo"):
                    value = clock.to_text(clock.from_datetime(value))
                elif name == "overflow":
                    value = _object(value)
                _put(found[row], steps, value)
    yield from found


def _object(text: str) -> Any:
    import orjson

    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _put(document: dict[str, Any], steps: list[str], value: Any) -> None:
    """Set a value along a path; where a single value stands in the way, the rest of the path stays dotted."""
    for at, step in enumerate(steps[:-1]):
        inner = document.setdefault(step, {})
        if not isinstance(inner, dict):
            document[".".join(steps[at:])] = value
            return
        document = inner
    document[steps[-1]] = value
