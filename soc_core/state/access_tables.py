"""Tables of access: who looked at whose data, sealed heads of the audit chain, sign-in codes, webhooks.

A change here needs a new file in migrations/versions, as in tables.py.
"""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from soc_core.state.base import Base, Serial


class LookRow(Base):
    """Somebody read records of an organisation; `entry` is the link of the audit chain that says so."""

    __tablename__ = "looks"
    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    at: Mapped[int]
    actor: Mapped[str]
    organisation: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    reason: Mapped[str]
    entry: Mapped[int]
    __table_args__ = (Index(None, "organisation", "id"),)


class SealRow(Base):
    """The Merkle tree head (RFC 6962) over the first `size` links of the audit chain, as it was at a time."""

    __tablename__ = "audit_seals"
    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[str]
    at: Mapped[int]


class CodeRow(Base):
    """An authorization code that was given out and not yet traded in; only its SHA-256 is kept."""

    __tablename__ = "oidc_codes"
    digest: Mapped[str] = mapped_column(primary_key=True)
    client: Mapped[str]
    redirect: Mapped[str]
    scope: Mapped[str]
    nonce: Mapped[str]
    challenge: Mapped[str]
    account: Mapped[str]
    version: Mapped[int]  # of the account's sessions, so that a changed password ends it too
    signed_in: Mapped[int]
    expires: Mapped[int]


class WebhookRow(Base):
    """A subscription: what is told, of whom, to which address. `secret` is sealed (soc_core/sealed.py)."""

    __tablename__ = "webhooks"
    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    topics: Mapped[list[str]]
    level: Mapped[str]
    organisation: Mapped[str]
    secret: Mapped[str]
    creator: Mapped[str]
    created: Mapped[int]
    disabled: Mapped[bool] = mapped_column(default=False)


class FactorRow(Base):
    """A role whose accounts must have a second factor `grace` after `since`, or after they were made."""

    __tablename__ = "factor_policy"
    role: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[int]
    grace: Mapped[int]
    actor: Mapped[str]
    at: Mapped[int]
