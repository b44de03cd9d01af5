"""Windows of rules that are pushed down to the event store, and what they found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    numbers = ("since", "until", "partition", "first", "last", "tried", "events", "findings", "changed")
    texts = ("kind", "realm", "rules", "status", "why")
    op.create_table(
        "windows",
        sa.Column("id", SERIAL, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in numbers),
        sa.PrimaryKeyConstraint("id", name="pk_windows"),
        sa.UniqueConstraint("kind", "realm", "since", "until", "partition", "first", "last",
                            name="uq_windows_kind_realm_since_until_partition_first_last"),
    )
    op.create_index("ix_windows_status_until", "windows", ["status", "until"])
    op.create_table(
        "pushed",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "event", name="pk_pushed"),
    )
    op.create_index("ix_pushed_at", "pushed", ["at"])


def downgrade() -> None:
    op.drop_table("pushed")
    op.drop_table("windows")
