"""Canaries: marked records that go the whole way from a collector's door to the store, so that a broken way shows.

A canary is a syslog line whose whole message is signed with a secret of this platform; only such a record is moved to
a realm of its own, where no detector judges it and no agency owns it. Whoever merely names his host like ours gains
nothing: what is not signed, or says anything else, is judged as every record is.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import numpy as np
import polars as pl
from sqlalchemy.orm import Session

from soc_core import clock
from soc_core.clock import Micros
from soc_core.events import EventBatch
from soc_core.schema import SCHEMA
from soc_core.state.tables import MetaRow

REALM = "canary"
HOST = "soc-canary"
MARK = "soc-canary/1"
KEY = "canary key"
OWNED = ("organization.id", "organization.name", "soc.system.id")


def secret(session: Session) -> bytes:
    """The platform's secret; made at first use, so the session must be a writing one then."""
    known = session.get(MetaRow, KEY)
    if known is None:
        known = MetaRow(name=KEY, value=secrets.token_hex(32))
        session.add(known)
        session.flush()
    return bytes.fromhex(known.value)


def signed(key: bytes, token: str) -> str:
    """The message of the canary with this token."""
    return f"{MARK} {token} {hmac.new(key, token.encode(), hashlib.sha256).hexdigest()}"


def line(key: bytes, token: str, at: Micros) -> bytes:
    """The record: RFC 5424, facility local7, informational."""
    return f"<190>1 {clock.to_text(at)} {HOST} {HOST} - - - {signed(key, token)}".encode()


def is_ours(raw: bytes) -> bool:
    """Whether a record looks like a canary; for counts alone, as it is not proved."""
    return f" {HOST} {HOST} - - - {MARK} ".encode() in raw[:200]


def token_of(key: bytes, message: str) -> str:
    """The token of a message that we signed; "" for any other."""
    mark, _, rest = message.partition(" ")
    token = rest.partition(" ")[0]
    return token if mark == MARK and hmac.compare_digest(signed(key, token).encode(), message.encode()) else ""


class Canaries:
    """An enricher: moves what is proved to be a canary to its realm, and takes its owner away."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def enrich(self, batch: EventBatch) -> EventBatch:
        """The batch; another one only where it holds a canary."""
        if not {"host.name", "message"} <= batch.fields:
            return batch
        suspects = np.flatnonzero((batch.column("host.name") == HOST).fill_null(False).to_numpy())
        if not len(suspects):
            return batch
        said = batch.column("message").gather(suspects).to_list()
        mask = np.zeros(batch.height, dtype=bool)
        mask[[row for row, text in zip(suspects.tolist(), said, strict=True) if text and token_of(self._key, text)]] = 1
        if not mask.any():
            return batch
        changed, ours = {}, pl.Series(mask)
        for name in ("soc.realm", *OWNED):
            if name in batch.fields:
                value = pl.Series([REALM if name == "soc.realm" else None], dtype=SCHEMA.dtype(name))
                changed[name] = value.new_from_index(0, batch.height).zip_with(ours, batch.column(name)).alias(name)
        return batch.with_columns(changed)
