"""The documents of a city pack: what a row of each file holds, and how the files are read (docs/city.md)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from soc_core import documents
from soc_core.documents import DocumentError

Kind = Literal["city_unit", "county_department", "township", "village", "community"]
Criticality = Literal["C1", "C2", "C3"]
Hours = Literal["always", "office", "school", "peak", "night"]
Code = Literal[
    "WEB", "WAF", "GW", "APP", "SSO", "DBA", "HOST", "DNS", "NET", "VPN", "BAST", "MAIL", "CAM", "IOT", "ICS", "CLD",
    "KSK", "MOB", "AVL", "CONT", "BAK", "CERT", "DLP", "HLTH",
]  # fmt: skip
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: Any) -> Any:
    """`90`, `30s`, `5m`, `2h` or `1d` as seconds."""
    text = str(value)
    if text[-1:] in UNITS and text[:-1].isdigit():
        return int(text[:-1]) * UNITS[text[-1]]
    return value


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ZoneName(Row):
    """A collector zone: inside it an address means one thing."""

    id: str
    name: str
    name_en: str = ""


class District(Row):
    """A district or county, as shown on the map (map.geojson has a feature with this id)."""

    id: str
    name: str
    name_en: str = ""


class Holidays(Row):
    """Days off beyond weekends, and weekend days that are worked."""

    days_off: list[date] = []
    days_worked: list[date] = []


class City(Row):
    """city.yml: the city itself. `fictional` says on every page what must not be taken for real."""

    id: str
    name: str
    name_en: str = ""
    timezone: str = "Asia/Shanghai"
    fictional: str
    districts: list[District]
    zones: list[ZoneName]
    holidays: Holidays = Holidays()
    average_events_per_second: float = Field(default=1.0, gt=0)


class Organisation(Row):
    """A unit with network access, a row of organisations.csv. `generated` marks an invented name."""

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    name_en: str = ""
    kind: Kind
    parent: str = ""
    district: str = ""
    sector: str = ""
    generated: bool = False
    valid_from: date | None = None
    valid_until: date | None = None


class Figure(Row):
    """A published key figure of a system, e.g. 11,000,000 users."""

    name: str
    value: float
    unit: str = ""


class Expected(Row):
    """A source that should be heard: its telemetry code, and after how many seconds of silence it is late.

    `hours` is when it speaks at all; `connected` is false for a gap in coverage: expected, but never joined.
    """

    code: Code
    every: Annotated[int, BeforeValidator(seconds), Field(gt=0)]
    hours: Hours = "always"
    connected: bool = True


def expected(value: Any) -> Any:
    """`{WEB: 5m, DBA: 1h office missing}` or `WEB:5m;DBA:1h office missing` as a list of Expected."""
    if isinstance(value, str):
        value = dict(part.partition(":")[::2] for part in value.split(";") if part)
    if not isinstance(value, dict):
        return value
    listed = []
    for code, text in value.items():
        words = str(text).split()
        hours = [word for word in words[1:] if word != "missing"]
        if not words or len(hours) > 1:
            raise ValueError(f"{code}: {text!r} is not like `5m`, `1h office` or `1d office missing`")
        made = {"code": code, "every": words[0], "connected": "missing" not in words[1:]}
        listed.append(made | ({"hours": hours[0]} if hours else {}))
    return listed


def words(value: Any) -> Any:
    """`a;b` as ["a", "b"]: lists in a CSV cell."""
    return [part for part in value.split(";") if part] if isinstance(value, str) else value


class System(Row):
    """A monitored system. `number` is its place in the published list, "" for generated and shared ones.

    `listed` is false for a row that is kept but not counted (未列明). `people` is how many persons' data or daily
    life hang on it; `level` the suggested protection level (等保), 0 where none is suggested.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str = Field(min_length=1)
    name_en: str = ""
    owner: str
    kind: str
    sector: str = ""
    criticality: Criticality
    level: int = Field(default=0, ge=0, le=5)
    number: str = ""
    listed: bool = True
    aliases: Annotated[list[str], BeforeValidator(words)] = []
    exposure: Literal["internet", "extranet", "internal"] = "extranet"
    stack: str = ""
    coverage: Literal["full", "partial", "probe-only", "none"] = "full"
    sources: Annotated[list[Expected], BeforeValidator(expected)]
    depends_on: Annotated[list[str], BeforeValidator(words)] = []
    data: Annotated[list[str], BeforeValidator(words)] = []
    people: int = Field(default=0, ge=0)
    figures: list[Figure] = []
    playbooks: list[str] = []
    note: str = ""
    generated: bool = False


class Systems(Row):
    """systems.yml."""

    systems: list[System]


class Network(Row):
    """A range in a collector zone and whose it is, [valid_from, valid_until). `system` may be empty: an office LAN."""

    zone: str
    cidr: str
    organisation: str
    system: str = ""
    valid_from: date | None = None
    valid_until: date | None = None


class Host(Row):
    """A host name (or `prefix*`) in a collector zone and the system it serves; `organisation` "" is its owner."""

    zone: str
    name: str = Field(pattern=r"^[^*]+\*?$")
    system: str
    address: str = ""
    role: str = ""
    organisation: str = ""
    valid_from: date | None = None
    valid_until: date | None = None


RowType = TypeVar("RowType", bound=BaseModel)


@dataclass(frozen=True)
class Table(Generic[RowType]):
    """Rows of a file, each with its line."""

    path: Path
    lines: list[int]
    rows: list[RowType]

    def __iter__(self) -> Iterator[tuple[int, RowType]]:
        return zip(self.lines, self.rows, strict=True)


def table(path: Path, model: type[RowType]) -> Table[RowType]:
    """A CSV file with a header; an empty cell is the default. Raises DocumentError naming file and line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            lines, cells = [], []
            for row in reader:
                if len(row) != len(header):
                    raise DocumentError(path, reader.line_num, f"{len(row)} cells, the header has {len(header)}")
                lines.append(reader.line_num)
                cells.append({name: cell for name, cell in zip(header, row, strict=True) if cell})
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DocumentError(path, 1, f"cannot be read: {error}") from None
    unknown = [name for name in header if name not in model.model_fields]
    if unknown:
        raise DocumentError(path, 1, f"unknown column {unknown[0]!r}; there are: {', '.join(model.model_fields)}")
    try:
        return Table(path, lines, TypeAdapter(list[model]).validate_python(cells))  # type: ignore[valid-type]  # made at run time
    except ValidationError as error:
        first = error.errors()[0]
        at, *where = first["loc"]
        raise DocumentError(path, lines[int(at)], f"{'.'.join(map(str, where))}: {first['msg']}") from None


def read_city(path: Path) -> City:
    """city.yml. Raises DocumentError."""
    return documents.read(path, City)


def read_systems(city: Path) -> list[Table[System]]:
    """The named systems with their lines, and the generated ones where there are any."""
    path = city / "systems.yml"
    named = documents.read(path, Systems).systems
    text = path.read_text(encoding="utf-8")
    found = [Table(path, _lines(text, len(named)), named)]
    more = city / "systems-generated.csv"
    return [*found, table(more, System)] if more.exists() else found


def _lines(text: str, count: int) -> list[int]:
    """Where each system begins: the lines of its `id` keys."""
    starts = [n for n, line in enumerate(text.splitlines(), 1) if line.lstrip().startswith(("- id:", "- {id:"))]
    return starts if len(starts) == count else [1] * count
