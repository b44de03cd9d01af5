"""YAML documents as pydantic models: an unknown key is refused, and every error names the file and the line."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, ScalarNode

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
SAFE: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MERGE = "tag:yaml.org,2002:merge"


class Loader(SAFE):  # type: ignore[misc]  # chosen at run time: the C one where it is built
    """A safe loader for which a key that is there twice is an error: PyYAML lets the second take the first's place."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        known: set[str] = set()
        for key, _ in node.value if isinstance(node, MappingNode) else ():
            if isinstance(key, ScalarNode) and key.tag != MERGE:
                if key.value in known:
                    raise ConstructorError(None, None, f"the key '{key.value}' is there twice", key.start_mark)
                known.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


LOADER: type[Any] = Loader


class DocumentError(ValueError):
    """A document that cannot be used: `path:line: what is wrong`."""

    def __init__(self, path: Path | str, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path, self.line, self.reason = str(path), line, reason


def load(text: str, path: Path | str) -> Any:
    """Plain data of one YAML document. Raises DocumentError."""
    found = load_all(text, path)
    if len(found) > 1:
        raise DocumentError(path, 1, "one document belongs here, not several")
    return found[0] if found else None


def load_all(text: str, path: Path | str) -> list[Any]:
    """Plain data of every YAML document of a text. Raises DocumentError."""
    try:
        return list(yaml.load_all(text, Loader=LOADER))  # a safe loader, the C one where it is built
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
        raise DocumentError(path, line_of(text, first["loc"]), f"{where}: {_said(model, first)}") from None


def _said(model: type[BaseModel], fault: ErrorDetails) -> str:
    """What is wrong, in words for somebody who writes the document."""
    match fault["type"]:
        case "extra_forbidden":
            near = get_close_matches(str(fault["loc"][-1]), _keys(model, fault["loc"][:-1]), 1)
            return "unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
        case "value_error":
            return fault["msg"].removeprefix("Value error, ")
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"keys and values belong here, not {fault['input']!r:.60}"
    return fault["msg"]


def _keys(model: type[BaseModel], steps: tuple[int | str, ...]) -> list[str]:
    """The keys of the model that a path leads to; none where that cannot be told."""
    for step in (each for each in steps if isinstance(each, str)):
        known = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        inner = next(_models(known.get(step)), None)
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models within an annotation, as in `list[Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


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
