"""A release of rules (an archive or a folder) taken into a folder of ours: three-way, replayed first, then cut over.

What was last imported is the common ancestor, kept in `.imported.json` of the folder: per rule (its id; its path where
it has none) the path and SHA-256. A rule that was changed or removed here stays as it is here; where the release
changed it too, the release's version lies beside it as `NAME.yml.release`. The old folder stays as `DIR.previous`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import orjson

from casework.rules import MANIFEST

RELEASE = ".release"
MOST_BYTES, MOST_FILES = 256 << 20, 50_000
LARGEST = 4 << 20
ID = re.compile(rb"^id:\s*['\"]?([0-9A-Fa-f-]{36})", re.MULTILINE)
ASIDE = ("deprecated", "unsupported", "tests", "documentation", "other", "rules-placeholder", "rules-compliance")


class File(NamedTuple):
    """A rule file: where it lies below the folder, and what it holds."""

    path: str
    data: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Changes:
    """What an import does, by paths below the folder."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    locally_changed: list[str] = field(default_factory=list)
    locally_removed: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)  # changed here and in the release: ours stays
    unchanged: int = 0

    def as_dict(self) -> dict[str, list[str] | int]:
        return asdict(self)


def release(source: Path) -> dict[str, File]:
    """Rule files of a release by key, and its licence. Raises OSError or ValueError on one that cannot be used."""
    if source.is_dir():
        found = dict(_folder(source))
    elif zipfile.is_zipfile(source):
        found = dict(_zip(source))
    elif source.is_file() and tarfile.is_tarfile(source):
        found = dict(_tar(source))
    elif source.exists():
        raise ValueError(f"{source} is neither a folder nor a zip or tar archive")
    else:
        raise FileNotFoundError(f"no release {source}")
    rules = keyed(File(path, data) for path, data in _rules(found))
    if not any(path.endswith((".yml", ".yaml")) for path, _ in rules.values()):
        raise ValueError(f"no rule file in {source}")
    return rules


def _wanted(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith((".yml", ".yaml")) or name.upper().startswith("LICENSE")


def _folder(source: Path) -> Iterator[tuple[str, bytes]]:
    found = {path.relative_to(source).as_posix(): path for path in source.rglob("*")}
    for name, path in sorted(found.items()):  # as archives are, so that of two with one id the same is the first
        if path.is_file() and not path.is_symlink() and _wanted(name):
            yield name, path.read_bytes()


def _zip(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(source) as archive:
            items = [item for item in archive.infolist() if not item.is_dir() and _wanted(item.filename)]
            _bounded([(item.filename, item.file_size) for item in items])
            for item in items:
                if not stat.S_ISLNK(item.external_attr >> 16):
                    with archive.open(item) as opened:
                        yield item.filename, _read(opened.read, item.filename)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{source} cannot be unpacked: {error}") from None


def _tar(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(source) as archive:
            items = [item for item in archive if item.isfile() and _wanted(item.name)]
            _bounded([(item.name, item.size) for item in items])
            for item in items:
                opened = archive.extractfile(item)
                if opened is not None:
                    yield item.name.removeprefix("./"), _read(opened.read, item.name)
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{source} cannot be unpacked: {error}") from None


def _read(read: Callable[[int], bytes], name: str) -> bytes:
    data = read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{name} is larger than a rule can be")
    return data


def _bounded(items: list[tuple[str, int]]) -> None:
    """Raises ValueError on an archive that would not stay below its folder, or within bounds."""
    for name, _ in items:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise ValueError(f"the archive names a file outside it: {name}")
    if len(items) > MOST_FILES or sum(size for _, size in items) > MOST_BYTES:
        raise ValueError("the archive holds more than a release of rules can")


def _rules(found: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """The files below the top folder that all share; of a whole repository, those of its rule folders."""
    tops = {PurePosixPath(name).parts[0] for name in found}
    if len(tops) == 1 and all("/" in name for name in found) and not next(iter(tops)).startswith("rules"):
        found = {name.split("/", 1)[1]: data for name, data in found.items()}
    folders = any(name.startswith("rules") for name in found)
    for name, data in sorted(found.items()):
        top = name.split("/", 1)[0]
        licence = "/" not in name and top.upper().startswith("LICENSE")
        inside = not folders or (top.startswith("rules") and "/" in name)
        if licence or (inside and top not in ASIDE):
            yield name, data


def keyed(files: Iterator[File]) -> dict[str, File]:
    """Files by the id of their first rule; by path where there is none, or it is taken."""
    out: dict[str, File] = {}
    for file in files:
        found = ID.search(file.data)
        key = found[1].decode().lower() if found else file.path
        out[file.path if key in out else key] = file
    return out


def local(folder: Path) -> dict[str, File]:
    """The rule files that lie there now."""
    return keyed(File(name, data) for name, data in _folder(folder)) if folder.is_dir() else {}


def ancestor(folder: Path) -> dict[str, tuple[str, str]]:
    """What was imported last: key → (path, SHA-256). Raises ValueError on a manifest that cannot be read."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        return {key: (str(at), str(digest)) for key, (at, digest) in orjson.loads(path.read_bytes())["files"].items()}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(f"{path} is not what an import wrote; remove it to take all that differs as changed here"
                         ) from None


def stage(folder: Path, theirs: dict[str, File], staging: Path) -> Changes:
    """Make the folder as it shall be in `staging`, and say what differs."""
    ours, base, changes = local(folder), ancestor(folder), Changes()
    if folder.is_dir():
        shutil.copytree(folder, staging, dirs_exist_ok=True)
    staging.mkdir(parents=True, exist_ok=True)
    drops: list[str] = []
    writes: list[File] = []
    for key in sorted(ours.keys() | theirs.keys()):
        mine, their, known = ours.get(key), theirs.get(key), base.get(key)
        if mine is None and their is not None:
            if known is None:
                changes.new.append(their.path)
                writes.append(their)
            else:
                changes.locally_removed.append(their.path)
        elif mine is not None:
            _merge(mine, their, known, changes, drops, writes)
    for path in drops:  # all before the first is written: rules may change places
        (staging / path).unlink(missing_ok=True)
    for file in writes:
        place = staging / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
    files = {key: (file.path, file.digest) for key, file in theirs.items()}
    (staging / MANIFEST).write_bytes(orjson.dumps({"files": files}))
    return changes


def _merge(
    ours: File, theirs: File | None, base: tuple[str, str] | None, changes: Changes, drops: list[str],
    writes: list[File],
) -> None:
    """A rule that lies here, three ways; what has neither release nor ancestor is our own and stays."""
    untouched = base is not None and ours.digest == base[1]
    if theirs is None:
        if untouched:
            changes.removed.append(ours.path)
            drops.append(ours.path)
        elif base is not None:
            changes.locally_changed.append(ours.path)
    elif untouched or ours.digest == theirs.digest:
        drops += [ours.path, ours.path + RELEASE]
        writes.append(theirs)
        if ours.digest != theirs.digest:
            changes.changed.append(theirs.path)
        elif ours.path != theirs.path:
            changes.moved.append(theirs.path)
        else:
            changes.unchanged += 1
    else:
        changes.locally_changed.append(ours.path)
        if base is None or theirs.digest != base[1]:
            changes.conflicts.append(ours.path)
            writes.append(File(ours.path + RELEASE, theirs.data))


def cut_over(folder: Path, staging: Path) -> None:
    """Put `staging` in the place of the folder; what was there stays as `.previous`."""
    previous = folder.with_name(folder.name + ".previous")
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    staging.rename(folder)
