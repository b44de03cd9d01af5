"""soc.yaml: one file that says where data lies, what listens, and which engines are used. All of it has defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from soc_core import documents

ROOT = Path(__file__).resolve().parent.parent
Port = Annotated[int, Field(ge=0, le=65_535)]


def timezone(name: str) -> str:
    """The name of a time zone, as it is. Raises ValueError for one that is unknown here."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError(f"no time zone named {name!r}; give one like Asia/Shanghai or UTC") from None
    return name


Timezone = Annotated[str, AfterValidator(timezone)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Tail(Section):
    """A file to follow: a path, and what is known of it."""

    path: Path
    format: str = ""
    zone: str = "city"
    timezone: Timezone = "Asia/Shanghai"


class Listen(Section):
    """Doors for logs. A port of 0 is closed. Everything binds `host`, which is loopback unless told otherwise."""

    host: str = "127.0.0.1"
    syslog_udp: Port = 5514
    syslog_tcp: Port = 5514
    http: Port = 8514
    zone: str = "city"
    timezone: Timezone = "Asia/Shanghai"


class Settings(Section):
    """The whole configuration. `data` is the one directory that holds everything the platform keeps."""

    data: Path = ROOT / "data"
    city: Path = ROOT / "cities" / "changsha"
    rules: list[Path] = Field(default_factory=lambda: [ROOT / "detections" / "rules"])
    playbooks: list[Path] = Field(default_factory=lambda: [ROOT / "playbooks" / "library"])
    webhooks: list[str] = []  # addresses (http, https) that playbooks may call, and what lies below them
    listen: Listen = Listen()
    tails: list[Tail] = []
    partitions: int = Field(default=4, ge=1, le=256)
    state: str = ""  # SQLAlchemy URL; "" is SQLite in the data directory
    timezone: Timezone = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"

    @property
    def state_url(self) -> str:
        return self.state or f"sqlite:///{self.data / 'state.db'}"

    @property
    def journal(self) -> Path:
        return self.data / "journal"

    @property
    def models(self) -> Path:
        return self.data / "models"

    def events(self, realm: str) -> Path:
        """Folder of one realm's event store: real and demo events never share one."""
        return self.data / "events" / realm


def load(data: Path | None = None, file: Path | None = None, city: Path | None = None) -> Settings:
    """Settings from `file`, else from soc.yaml in the data directory, else defaults.

    SOC_DATA names the data directory where no argument does. Raises DocumentError on a bad file.
    """
    data = data or (Path(os.environ["SOC_DATA"]) if os.environ.get("SOC_DATA") else None)
    path = file or (data or ROOT / "data") / "soc.yaml"
    settings = documents.read(path, Settings) if file or path.exists() else Settings()
    changes = {"data": data.resolve() if data else settings.data.resolve()}
    if city:
        changes["city"] = city.resolve()
    return settings.model_copy(update=changes)
