"""A checkpoint may be several rows: pieces of a large memory are saved at different times."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkpoint_rows",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "serial", name="pk_checkpoint_rows"),
    )
    op.execute('INSERT INTO checkpoint_rows SELECT "partition", 0, "offset", state, at FROM checkpoints')
    op.drop_table("checkpoints")


def downgrade() -> None:
    """What was saved in pieces is no whole that the code of before could take up: it begins with an empty memory."""
    op.create_table(
        "checkpoints",
        sa.Column("partition", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name="pk_checkpoints"),
    )
    op.drop_table("checkpoint_rows")
