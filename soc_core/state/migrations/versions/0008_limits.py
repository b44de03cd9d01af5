"""What a source's limit of silence was computed from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rhythms", sa.Column("active", sa.Float(53), nullable=True))
    op.add_column("rhythms", sa.Column("spread", sa.Float(53), nullable=True))
    op.add_column("rhythms", sa.Column("gaps", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for name in ("gaps", "spread", "active"):
        op.drop_column("rhythms", name)
