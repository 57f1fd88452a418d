"""The feed: events get a number, each merchant's without a gap."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.moment import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNNUMBERED = sa.text("sequence IS NULL")
_NUMBERED = sa.text("sequence IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        # Nullable, for not every event to come is about an order.
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("order_version", sa.Integer(), nullable=True),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("occurred_at", Moment, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id", "merchant_id"],
            ["orders.id", "orders.merchant_id"],
            name="fk_events_order_id_merchant_id",
        ),
        sa.PrimaryKeyConstraint("id", "merchant_id", name="pk_events"),
        sa.UniqueConstraint(
            "order_id",
            "order_version",
            "merchant_id",
            name="uq_events_order_id_order_version_merchant_id",
        ),
    )
    op.execute(
        "INSERT INTO events (id, merchant_id, order_id, order_version, type, occurred_at, data)"
        " SELECT id, merchant_id, order_id, order_version, type, occurred_at, data"
        " FROM order_events"
    )
    op.drop_table("order_events")
    op.create_index(
        "ix_events_unnumbered",
        "events",
        ["occurred_at"],
        unique=False,
        postgresql_where=_UNNUMBERED,
        sqlite_where=_UNNUMBERED,
    )
    op.create_index(
        "ix_events_feed",
        "events",
        ["merchant_id", "sequence"],
        unique=True,
        postgresql_where=_NUMBERED,
        sqlite_where=_NUMBERED,
    )
    op.create_table(
        "event_feeds",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name="fk_event_feeds_merchant_id"
        ),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_event_feeds"),
    )
