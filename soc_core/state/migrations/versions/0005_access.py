"""Access: second factors and persons of accounts, who looked at whose data, seals, sign-in codes, webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = ("looks", "audit_seals", "oidc_codes", "webhooks")


def upgrade() -> None:
    op.add_column("users", sa.Column("person", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("users", sa.Column("totp", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("users", sa.Column("totp_step", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "looks",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("actor", "organisation", "action", "object",
                                                                  "reason")),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_looks"),
    )
    op.create_index("ix_looks_organisation_id", "looks", ["organisation", "id"])
    op.create_table(
        "audit_seals",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_audit_seals"),
    )
    op.create_table(
        "oidc_codes",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("digest", "client", "redirect", "scope", "nonce",
                                                                  "challenge", "account")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("version", "signed_in", "expires")),
        sa.PrimaryKeyConstraint("digest", name="pk_oidc_codes"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("level", "organisation", "secret", "creator")),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)
    for column in ("totp_step", "totp", "person"):
        op.drop_column("users", column)
