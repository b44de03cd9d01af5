"""Disk cache: parsed rules by content, and compiled pattern databases. Losing it costs seconds, never results."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import orjson

from detections.sigma.rule import Correlation, Filter, Head, LogSource, Rule
from detections.sigma.terms import from_plain, to_plain

VERSION = 8
MOST_FILES, MOST_BYTES = 2000, 512 << 20
Loaded = Rule | Correlation | Filter


def default() -> Path:
    """Where caches go when no data directory is named: XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "citysoc" / "sigma"


def digest(*parts: bytes) -> str:
    """A key for what these bytes give."""
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


def write(path: Path, data: bytes) -> None:
    """Put a file in place whole; a folder that cannot be written is no error, the cache is only speed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
        _trim(path.parent)
    except OSError:
        return


def read(path: Path) -> bytes | None:
    """Contents, or None. A file that was read counts as used (its time is set)."""
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    return data


def _trim(folder: Path) -> None:
    """Keep the files used last, within the bounds."""
    found = [(path, path.stat()) for path in folder.iterdir() if path.is_file()]
    found.sort(key=lambda pair: pair[1].st_mtime, reverse=True)
    total = 0
    for number, (path, known) in enumerate(found):
        total += known.st_size
        if number >= MOST_FILES or total > MOST_BYTES:
            path.unlink(missing_ok=True)


class Cache:
    """Parsed documents of one set of rule folders, in one file, by the content of each rule file."""

    def __init__(self, folder: Path | None, paths: Sequence[Path], placeholders: Any) -> None:
        key = digest(*(str(path.resolve()).encode() for path in paths), orjson.dumps(dict(placeholders)))
        self.path = folder / f"rules-{VERSION}-{key}.json" if folder else None
        self.known: dict[str, list[Any]] = {}
        self.used: dict[str, list[Any]] = {}
        self.changed = False

    def __enter__(self) -> Self:
        data = read(self.path) if self.path else None
        if data:
            try:
                self.known = orjson.loads(data)
            except orjson.JSONDecodeError:
                self.known = {}
        return self

    def get(self, data: bytes, path: str) -> list[Loaded] | None:
        """The documents of a file with this content, or None."""
        key = _key(data, path)
        plain = self.known.get(key)
        if plain is None:
            return None
        self.used[key] = plain
        return [_item(each, path) for each in plain]

    def put(self, data: bytes, path: str, items: list[Loaded]) -> None:
        """Remember what a file's content gave."""
        if self.path:
            self.used[_key(data, path)] = [_plain(item) for item in items]
            self.changed = True

    def __exit__(self, *_: object) -> None:
        if self.path and (self.changed or len(self.used) != len(self.known)):
            write(self.path, orjson.dumps(self.used))


def _key(data: bytes, path: str) -> str:
    """A file's content, and its name, after which rules without an id are called."""
    return digest(data, Path(path).stem.encode())


def _plain(item: Loaded) -> dict[str, Any]:
    match item:
        case Correlation():
            return {"what": "correlation", **asdict(item)}
        case Rule():
            rest: dict[str, Any] = {"what": "rule"}
        case Filter():
            rest = {"what": "filter", "rules": list(item.rules)}
    return rest | {"head": asdict(item.head), "logsource": list(item.logsource), "tree": to_plain(item.tree)}


def _item(plain: dict[str, Any], path: str) -> Loaded:
    head = Head(**_tuples({**plain["head"], "path": path}))
    if plain["what"] == "correlation":
        return Correlation(**_tuples({**plain, "head": head}, without="what"))
    source, tree = LogSource(*plain["logsource"]), from_plain(plain["tree"])
    return Rule(head, source, tree) if plain["what"] == "rule" else Filter(head, source, tuple(plain["rules"]), tree)


def _tuples(plain: dict[str, Any], without: str = "") -> dict[str, Any]:
    return {key: _tuple(value) for key, value in plain.items() if key != without}


def _tuple(value: Any) -> Any:
    """JSON's lists as the tuples that they were, at any depth."""
    return tuple(map(_tuple, value)) if isinstance(value, list) else value
