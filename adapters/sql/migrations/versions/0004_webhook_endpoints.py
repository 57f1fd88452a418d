"""Where merchants are told of what happens."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.moment import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("disabled_reason", sa.String(length=16), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", Moment, nullable=True),
        sa.Column("failing_since", Moment, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name="fk_webhook_endpoints_merchant_id"
        ),
        sa.PrimaryKeyConstraint("id", "merchant_id", name="pk_webhook_endpoints"),
    )
    op.create_index(
        "ix_webhook_endpoints_merchant_id_created_at_id",
        "webhook_endpoints",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
