"""What is due to whom, and what came of it."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.moment import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DUE = sa.text("status = 'enabled' AND due_at IS NOT NULL")
_TO_HOLD = sa.text("status <> 'enabled' AND due_at IS NOT NULL")
_HELD = sa.text("state = 'held'")
_WAITING = sa.text("state = 'pending'")


def upgrade() -> None:
    op.add_column("events", sa.Column("endpoint_id", sa.Uuid(), nullable=True))
    for column in (
        sa.Column("due_at", Moment, nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_expires_at", Moment, nullable=True),
    ):
        op.add_column("webhook_endpoints", column)
    op.create_index(
        "ix_webhook_endpoints_due",
        "webhook_endpoints",
        ["due_at"],
        unique=False,
        postgresql_where=_DUE,
        sqlite_where=_DUE,
    )
    op.create_index(
        "ix_webhook_endpoints_to_hold",
        "webhook_endpoints",
        ["due_at"],
        unique=False,
        postgresql_where=_TO_HOLD,
        sqlite_where=_TO_HOLD,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id", "merchant_id"],
            ["webhook_endpoints.id", "webhook_endpoints.merchant_id"],
            name="fk_webhook_deliveries_endpoint_id_merchant_id",
        ),
        sa.PrimaryKeyConstraint("id", "merchant_id", name="pk_webhook_deliveries"),
        sa.UniqueConstraint(
            "endpoint_id",
            "sequence",
            "merchant_id",
            name="uq_webhook_deliveries_endpoint_id_sequence_merchant_id",
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_created_at_id",
        "webhook_deliveries",
        ["endpoint_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_webhook_deliveries_waiting",
        "webhook_deliveries",
        ["endpoint_id", "due_at", "sequence"],
        unique=False,
        postgresql_where=_WAITING,
        sqlite_where=_WAITING,
    )
    op.create_index(
        "ix_webhook_deliveries_held",
        "webhook_deliveries",
        ["endpoint_id", "created_at", "id"],
        unique=False,
        postgresql_where=_HELD,
        sqlite_where=_HELD,
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("problem", sa.String(length=32), nullable=True),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id", "merchant_id"],
            ["webhook_deliveries.id", "webhook_deliveries.merchant_id"],
            name="fk_webhook_attempts_delivery_id_merchant_id",
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", "merchant_id", name="pk_webhook_attempts"),
    )
