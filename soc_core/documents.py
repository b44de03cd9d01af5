"""YAML documents as pydantic models: an unknown key is refused, and every error names the file and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class DocumentError(ValueError):
    """A document that cannot be used: `path:line: what is wrong`."""

    def __init__(self, path: Path | str, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path, self.line, self.reason = str(path), line, reason


def load(text: str, path: Path | str) -> Any:
    """Plain data of one YAML document. Raises DocumentError."""
    try:
        return yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader, the C one where it is built
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DocumentError(path, mark.line + 1 if mark else 1, getattr(error, "problem", None) or str(error)) from None


def validate(model: type[Model], data: Any, text: str, path: Path | str) -> Model:
    """The model made from plain data. Raises DocumentError with the line of the first fault."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "document"
        reason = f"{where}: {first['msg']}" + (" (unknown key)" if first["type"] == "extra_forbidden" else "")
        raise DocumentError(path, line_of(text, first["loc"]), reason) from None


def read(path: Path, model: type[Model]) -> Model:
    """One file as one model. Raises DocumentError, also for a file that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(path, 1, f"cannot be read: {error}") from None
    data = load(text, path)
    return validate(model, {} if data is None else data, text, path)  # None: nothing in it but comments


def line_of(text: str, steps: tuple[int | str, ...]) -> int:
    """The line (from 1) where the path of keys and indices leads, or the nearest one above it."""
    node = yaml.compose(text, Loader=LOADER)
    line = 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
