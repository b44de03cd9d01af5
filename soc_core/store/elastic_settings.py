"""The section of soc.yaml that names an Elasticsearch cluster, and the names of the indices in it."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

STANDARD = "standard"
SIX_MONTHS = 183  # days
PLAIN = re.compile(r"[a-z0-9][a-z0-9._]*")
LONGEST_NAME = 80


class ElasticSettings(BaseModel):
    """Where the cluster is, who we are there, and how long events stay.

    A password or API key may stand in the environment instead (SOC_ELASTIC_PASSWORD, SOC_ELASTIC_API_KEY). `ca` is a
    file with the authority that signed the cluster's certificates; `fingerprint` the SHA-256 of one certificate of
    the chain, pinned. `classes` gives a retention class to data sets by pattern (`aws.*: long`), `retention` its days:
    the law wants at least six months, so the standard class cannot have fewer.
    """

    model_config = ConfigDict(extra="forbid")

    urls: list[str] = Field(min_length=1)
    user: str = ""
    password: SecretStr = SecretStr("")
    api_key: SecretStr = SecretStr("")
    ca: Path | None = None
    fingerprint: str = ""
    prefix: str = Field(default="soc", pattern=r"^[a-z][a-z0-9_]*$")
    shards: int = Field(default=1, ge=1, le=64)
    replicas: str = Field(default="0-1", pattern=r"^(\d+|\d+-(\d+|all))$")  # a range follows the number of nodes
    patience: float = Field(default=60, ge=0)  # seconds of retries before the store counts as unavailable
    bulk_bytes: int = Field(default=4 << 20, ge=1 << 16, le=64 << 20)
    classes: dict[str, str] = {}
    retention: dict[str, int] = {STANDARD: 190}

    @field_validator("urls")
    @classmethod
    def _addresses(cls, urls: list[str]) -> list[str]:
        for url in urls:
            if not re.match(r"https?://[^/@\s]+/?$", url):
                raise ValueError(f"{url!r} is not of the form https://host:9200 (user and password stand apart)")
        return urls

    @model_validator(mode="after")
    def _agree(self) -> ElasticSettings:
        if not self.password.get_secret_value():
            self.password = SecretStr(os.environ.get("SOC_ELASTIC_PASSWORD", ""))
        if not self.api_key.get_secret_value() and not self.user:
            self.api_key = SecretStr(os.environ.get("SOC_ELASTIC_API_KEY", ""))
        if self.user and self.api_key.get_secret_value():
            raise ValueError("give a user with a password, or an API key, not both")
        if (self.ca or self.fingerprint) and not all(url.startswith("https:") for url in self.urls):
            raise ValueError("ca and fingerprint need https addresses")
        for name in {*self.classes.values(), *self.retention}:
            if not PLAIN.fullmatch(name):
                raise ValueError(f"retention class {name!r} must be lower-case letters, digits, dot and underscore")
        missing = {STANDARD, *self.classes.values()} - set(self.retention)
        if missing:
            raise ValueError(f"retention names no days for the class {', '.join(sorted(missing))}")
        if self.retention[STANDARD] < SIX_MONTHS:
            raise ValueError(f"retention keeps events for {self.retention[STANDARD]} days, and the law wants six "
                             f"months: {STANDARD} has {SIX_MONTHS} at least")
        return self

    def retention_class(self, dataset: str) -> str:
        """The class of a data set: that of the first pattern that fits."""
        return next((name for pattern, name in self.classes.items() if fnmatch.fnmatchcase(dataset, pattern)), STANDARD)


def plain(name: str) -> str:
    """A name as part of an index name; a hash keeps apart what sanitising would make equal."""
    if PLAIN.fullmatch(name) and len(name) <= LONGEST_NAME:
        return name
    kept = re.sub(r"[^a-z0-9._]", "_", name.lower())[:LONGEST_NAME].lstrip("._") or "x"
    return f"{kept}_{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


def series_of(settings: ElasticSettings, realm: str, dataset: str | None) -> str:
    """An index name up to its day: `soc-real-system.auth-standard-`."""
    known = dataset or "none"
    return f"{settings.prefix}-{plain(realm)}-{plain(known)}-{settings.retention_class(known)}-"
