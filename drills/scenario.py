"""Scenarios: what an exercise tells, as data (drills/scenarios/*.yml, drills/background/*.yml).

A scenario is telemetry only: native log lines with placeholders `{name}` for what a seed draws (addresses, accounts)
and for the line's own time. It holds no exploit and starts nothing. Lines may be given as text, or as a mapping
that becomes one JSON object on top of the feed's `base`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from soc_core import documents

HERE = Path(__file__).parent
FOLDER = HERE / "scenarios"
BACKGROUND = HERE / "background"
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
RESERVED = [
    ip_network(net)
    for net in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32",
    )
]
# What the renderer fills in by itself: the line's time in the forms that logs use, and the feed's host.
GIVEN = frozenset({"clf", "bsd", "iso", "rfc3339", "local", "epoch", "host"})

Template = str | dict[str, Any]


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Document):
    """A sentence in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


def reserved(network: str) -> str:
    """The network itself. Raises ValueError unless it lies in a private or documentation range."""
    net = ip_network(network)
    if not any(net.version == known.version and net.subnet_of(known) for known in RESERVED):  # type: ignore[arg-type]  # same version
        raise ValueError(f"{network} is neither a private nor a documentation range")
    return network


class Draw(Document):
    """One thing that the seed decides: an address of a network, one of several, a number, or hexadecimal digits."""

    address: Annotated[str, AfterValidator(reserved)] | None = None
    choice: list[str] | None = Field(default=None, min_length=1)
    number: tuple[int, int] | None = None
    digits: int | None = Field(default=None, ge=1, le=64)

    @model_validator(mode="after")
    def one(self) -> Draw:
        if sum(value is not None for value in (self.address, self.choice, self.number, self.digits)) != 1:
            raise ValueError("give exactly one of address, choice, number, digits")
        return self


class Feed(Document):
    """One source of native lines: a log of one host. `base` is laid under lines that are mappings."""

    host: str
    format: str = ""
    zone: str = "city"
    timezone: str = "Asia/Shanghai"
    base: dict[str, Any] = {}


class Emission(Document):
    """Lines that one source writes: the templates in turn, `gap` seconds apart, all of it `repeat` times.

    `after` seconds from the start of the step, each repeat `every` seconds after the one before; what `vary`
    names is drawn anew for each repeat.
    """

    source: str
    lines: list[Template] = Field(min_length=1)
    after: float = Field(default=0, ge=0)
    repeat: int = Field(default=1, ge=1, le=5000)
    every: float = Field(default=1, ge=0)
    gap: float = Field(default=0, ge=0)
    vary: dict[str, Draw] = {}


class Step(Document):
    """One thing that happens. A decoy is a harmless act that looks like an attack: flagging it is a false alarm."""

    number: str
    kind: Literal["attack", "decoy"] = "attack"
    title: Text
    offset: float = Field(ge=0)  # seconds from the start
    techniques: list[str] = []
    expected: Text | None = None  # what ought to notice it
    emit: list[Emission] = Field(min_length=1)

    @model_validator(mode="after")
    def named(self) -> Step:
        if self.kind == "attack" and not self.techniques:
            raise ValueError(f"step {self.number}: an attack step names its techniques")
        return self


class Mix(Document):
    """Everyday traffic of one kind of log: templates with their weights."""

    class Kind(Document):
        weight: float = Field(default=1, gt=0)
        lines: list[Template] = Field(min_length=1)
        vary: dict[str, Draw] = {}

    cast: dict[str, Draw] = {}
    kinds: list[Kind] = Field(min_length=1)


class Background(Document):
    """How much of a mix a source carries."""

    mix: str
    source: str
    per_minute: float = Field(gt=0, le=6000)


class Scenario(Document):
    """A whole exercise. `systems` are ids of the city's inventory; techniques are ATT&CK v19.1."""

    id: str = Field(pattern=r"^D[0-9]{2}[a-z0-9_]*$")
    name: Text
    summary: Text
    attack_version: Literal["19.1"] = "19.1"
    systems: list[str] = Field(min_length=1)
    feeds: dict[str, Feed] = Field(min_length=1)
    cast: dict[str, Draw] = {}
    steps: list[Step]
    background: list[Background] = Field(min_length=1)
    tail: float = Field(default=300, ge=0)  # seconds of background after the last step

    @property
    def attacks(self) -> list[Step]:
        return [step for step in self.steps if step.kind == "attack"]

    @property
    def decoys(self) -> list[Step]:
        return [step for step in self.steps if step.kind == "decoy"]

    @model_validator(mode="after")
    def consistent(self) -> Scenario:
        if len(self.attacks) < 5 or len(self.decoys) < 2:
            raise ValueError("a scenario has at least five attack steps and two decoys")
        if len({step.number for step in self.steps}) < len(self.steps):
            raise ValueError("two steps have the same number")
        for where, emission in self.emissions():
            if emission.source not in self.feeds:
                raise ValueError(f"{where}: no feed named {emission.source!r}")
            unknown = names(emission.lines) - GIVEN - set(self.cast) - set(emission.vary)
            if unknown := unknown | (self._drawn(emission.vary) - GIVEN - set(self.cast) - set(emission.vary)):
                raise ValueError(f"{where}: nothing draws {{{min(unknown)}}}")
        for part in self.background:
            if part.source not in self.feeds:
                raise ValueError(f"background: no feed named {part.source!r}")
        return self

    def emissions(self) -> Iterator[tuple[str, Emission]]:
        for step in self.steps:
            for emission in step.emit:
                yield f"step {step.number}", emission

    @staticmethod
    def _drawn(draws: dict[str, Draw]) -> set[str]:
        return {name for draw in draws.values() for text in draw.choice or [] for name in PLACEHOLDER.findall(text)}


def names(templates: list[Template]) -> set[str]:
    """Placeholders that the templates use."""
    return {name for template in templates for text in leaves(template) for name in PLACEHOLDER.findall(text)}


def leaves(template: Any) -> Iterator[str]:
    """Every text in a template."""
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict):
        for value in template.values():
            yield from leaves(value)
    elif isinstance(template, list):
        for value in template:
            yield from leaves(value)


def listed(folder: Path = FOLDER) -> list[str]:
    """Ids of the scenarios in a folder, by file name."""
    return sorted(path.stem for path in folder.glob("*.yml"))


def load(name: str, folder: Path = FOLDER) -> Scenario:
    """A scenario by its file name, or by the id before the first underscore (`D01`), or a path to a file.

    Raises LookupError with the names there are, DocumentError on a bad file.
    """
    if name.endswith((".yml", ".yaml")):
        return documents.read(Path(name), Scenario)
    known = listed(folder)
    found = [one for one in known if one == name] or [one for one in known if one.split("_")[0] == name.upper()]
    if len(found) != 1:
        raise LookupError(f"no scenario named {name!r}; there are: {', '.join(known)}")
    scenario = documents.read(folder / f"{found[0]}.yml", Scenario)
    for part in scenario.background:
        mix(part.mix)
    return scenario


@cache
def mix(name: str) -> Mix:
    """A background mix by its file name. Raises LookupError."""
    path = BACKGROUND / f"{name}.yml"
    if not path.exists():
        raise LookupError(f"no background mix named {name!r}; there are: {', '.join(listed(BACKGROUND))}")
    return documents.read(path, Mix)
