"""soc.yaml: one file that says where data lies, what listens, and which engines are used. All of it has defaults."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from soc_core import documents
from soc_core.store.elastic_settings import ElasticSettings

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


class Drop(Section):
    """A folder into which others put whole files; they are moved to `done` (its own `done` unless told otherwise)."""

    path: Path
    name: str = ""
    done: Path | None = None
    quiet: float = Field(default=10.0, ge=0)  # seconds without change after which a file counts as complete
    format: str = ""
    encoding: str = ""
    zone: str = "city"
    timezone: Timezone = "Asia/Shanghai"


class Mqtt(Section):
    """A subscription: a broker's address (mqtt://, mqtts://) and topics, `+` and `#` allowed."""

    url: str
    topics: list[str] = Field(min_length=1)
    name: str = ""
    client: str = Field(default="citysoc", min_length=1)  # the session's name: one subscription a broker may have it
    user: str = ""
    password_file: Path | None = None
    authority: Path | None = None  # a CA file; the system's otherwise
    format: str = ""
    zone: str = "city"
    timezone: Timezone = "Asia/Shanghai"


class Poll(Section):
    """A query that is asked again and again; `watermark` names the column that only grows."""

    name: str = Field(pattern=r"^[\w.@-]{1,64}$")
    url: str
    query: str
    watermark: str
    kind: Literal["number", "time"] = "number"
    line: str = ""  # the column that holds a whole log line, if one does
    every: float = Field(default=10.0, gt=0)
    password_file: Path | None = None
    format: str = ""
    zone: str = "city"
    timezone: Timezone = "Asia/Shanghai"


class Tls(Section):
    """A server's certificate and key; with `clients` (a CA file) only senders with its certificates get in."""

    certificate: Path
    key: Path
    clients: Path | None = None


class Listen(Section):
    """Doors for logs. A port of 0 is closed. Everything binds `host`, which is loopback unless told otherwise."""

    host: str = "127.0.0.1"
    syslog_udp: Port = 5514
    syslog_tcp: Port = 5514
    http: Port = 8514
    syslog_tls: Port = 0
    relp: Port = 0
    relp_tls: Port = 0
    tls: Tls | None = None
    zone: str = "city"
    timezone: Timezone = "Asia/Shanghai"

    @model_validator(mode="after")
    def _certified(self) -> Listen:
        if (self.syslog_tls or self.relp_tls) and self.tls is None:
            raise ValueError("syslog_tls and relp_tls need tls: {certificate: …, key: …}")
        return self


class Kafka(Section):
    """The journal's broker. Topics are made where there are none: TOPIC, TOPIC.shared, TOPIC.quarantine, and
    with each one of tails (TOPIC.tails, …).

    `options` are librdkafka's for every connection (security.protocol, sasl.*, ssl.*); with `keep` what was worked
    off stays for as long as the topic's own retention says.
    """

    servers: str
    topic: str = Field(default="soc.raw", pattern=r"^[\w.-]{1,200}$")
    replication: int = Field(default=1, ge=1, le=16)
    patience: float = Field(default=30.0, gt=0)  # seconds after which the broker counts as away
    keep: bool = False
    options: dict[str, str | int | float | bool] = {}

    @field_validator("servers")
    @classmethod
    def _addresses(cls, servers: str) -> str:
        if not re.fullmatch(r"[^,\s]+:\d+(,[^,\s]+:\d+)*", servers):
            raise ValueError(f"{servers!r} is not of the form host:9092,host:9092")
        return servers


class Probe(Section):
    """One host that may be asked, and what: `url` answers, its `content` stays as it is, `dns` gives these addresses.

    Nothing is ever asked of a host that is not named here. A certificate is looked at where the URL is https.
    """

    url: str = Field(default="", pattern=r"^(https?://[^\s/?#@]+([/?#]\S*)?)?$")
    content: bool = False
    dns: str = Field(default="", max_length=253, pattern=r"^[A-Za-z0-9_.-]*$")
    zone: str = "city"

    @model_validator(mode="after")
    def _something(self) -> Probe:
        if not (self.url or self.dns):
            raise ValueError("a probe needs a url or a dns name")
        return self


class Probes(Section):
    """What is asked from here, the list of all that may be. Off until `on` is true."""

    on: bool = False
    every: float = Field(default=300.0, ge=60)  # seconds between two looks at one host
    a_second: float = Field(default=1.0, gt=0, le=10)  # questions at most, over all hosts
    allow: list[Probe] = []


class Events(Section):
    """Where events are kept: nothing said is the embedded store in the data directory."""

    elastic: ElasticSettings | None = None


class Stream(Section):
    """What carries records from collectors to workers: nothing said is files in the data directory."""

    kafka: Kafka | None = None


class Client(Section):
    """A program that may sign people in at our provider: with PKCE always, with a secret where it can keep one."""

    id: str = Field(pattern=r"^[\w.-]{1,64}$")
    redirects: list[str] = Field(min_length=1)
    secret_file: Path | None = None


class Login(Section):
    """Who says who somebody is: our own accounts, or the OpenID Connect provider at `issuer`.

    `address` is the console's own, as browsers have it (https://soc.example.gov): with it we are a provider for
    `clients`, and outside providers send people back to ADDRESS/login/callback. An outside account is the account here
    that `claim` names: roles and place stay ours. `also_local`: passwords are taken beside an outside provider.
    """

    address: str = Field(default="", pattern=r"^(https?://[^/\s]+)?$")
    issuer: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")
    client: str = "citysoc"
    secret_file: Path | None = None
    claim: str = "preferred_username"
    also_local: bool = False
    clients: list[Client] = []

    @model_validator(mode="after")
    def _reachable(self) -> Login:
        if self.issuer and not self.address:
            raise ValueError("an outside issuer needs our own address, to send people back to")
        return self


class Settings(Section):
    """The whole configuration. `data` is the one directory that holds everything the platform keeps.

    The engines are switched by `events` (embedded, or elastic: {urls: […], …}), `journal` (files, or kafka:
    {servers: …, …}) and `state` (a PostgreSQL URL, or nothing for SQLite in the data directory).
    """

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)

    data: Path = ROOT / "data"
    city: Path = ROOT / "cities" / "changsha"
    rules: list[Path] = Field(default_factory=lambda: [ROOT / "detections" / "rules"])
    playbooks: list[Path] = Field(default_factory=lambda: [ROOT / "playbooks" / "library"])
    webhooks: list[str] = []  # addresses (http, https) that playbooks may call, and what lies below them
    listen: Listen = Listen()
    login: Login = Login()
    tails: list[Tail] = []
    drops: list[Drop] = []
    mqtt: list[Mqtt] = []
    databases: list[Poll] = []
    partitions: int = Field(default=4, ge=1, le=256)
    event_engine: Events = Field(default=Events(), alias="events")
    journal_engine: Stream = Field(default=Stream(), alias="journal")
    state: str = ""  # SQLAlchemy URL; "" is SQLite in the data directory
    canary_minutes: float = Field(default=5.0, ge=0)  # between two marked records through each door; 0: none
    probes: Probes = Probes()
    timezone: Timezone = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"

    @field_validator("event_engine", mode="before")
    @classmethod
    def _embedded(cls, said: Any) -> Any:
        if isinstance(said, str) and said != "embedded":
            raise ValueError(f"{said!r} is none of the engines: embedded, or elastic: {{urls: [https://host:9200]}}")
        return {} if said in (None, "embedded") else said

    @field_validator("journal_engine", mode="before")
    @classmethod
    def _files(cls, said: Any) -> Any:
        if isinstance(said, str) and said != "files":
            raise ValueError(f"{said!r} is none of the engines: files, or kafka: {{servers: host:9092}}")
        return {} if said in (None, "files") else said

    @field_validator("state")
    @classmethod
    def _database(cls, url: str) -> str:
        if url and not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("give postgresql://user@host/database, or nothing for SQLite in the data directory")
        return url

    @property
    def state_url(self) -> str:
        return self.state or f"sqlite:///{self.data / 'state.db'}"

    @property
    def journal(self) -> Path:
        return self.data / "journal"

    @property
    def models(self) -> Path:
        return self.data / "models"

    @property
    def tuning(self) -> Path:
        """Exceptions and overrides of this site's rules."""
        return self.data / "tuning"

    @property
    def mapping(self) -> Path:
        """Field tables of this site."""
        return self.data / "mapping"

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
    place = data.resolve() if data else settings.data.resolve()
    changes: dict[str, Any] = {"data": place, "rules": _rules(settings, place, path)}
    if city:
        changes["city"] = city.resolve()
    return settings.model_copy(update=changes)


def _rules(settings: Settings, data: Path, file: Path) -> list[Path]:
    """What `rules:` names, as seen from the file that names it; where it names none, ours and the site's own."""
    if "rules" in settings.model_fields_set:
        return [file.resolve().parent / folder for folder in settings.rules]
    return [*settings.rules, *(folder for folder in (data / "rules",) if folder.is_dir())]
