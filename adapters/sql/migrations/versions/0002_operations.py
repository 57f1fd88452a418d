"""What the gateway's worker writes: attempts, and how operations and orders get on."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.moment import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_RESERVED = "refunding_minor >= 0 AND refunded_minor + refunding_minor <= captured_minor"
_OPEN = sa.text("state IN ('pending', 'unknown', 'held')")


def upgrade() -> None:
    _add_what_refunds_reserve()
    op.add_column("orders", sa.Column("payment_id", sa.String(length=255), nullable=True))
    for column in (
        sa.Column("gateway", sa.String(length=32), server_default="simulated", nullable=False),
        sa.Column("payment_id", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("problem", sa.String(length=64), nullable=True),
    ):
        op.add_column("payment_operations", column)
    op.drop_index("ix_payment_operations_due", "payment_operations")
    op.create_index(
        "ix_payment_operations_open",
        "payment_operations",
        ["gateway", "due_at", "merchant_id"],
        unique=False,
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
    op.create_table(
        "payment_attempts",
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("ended_at", Moment, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["operation_id", "merchant_id"],
            ["payment_operations.id", "payment_operations.merchant_id"],
            name="fk_payment_attempts_operation_id_merchant_id",
        ),
        sa.PrimaryKeyConstraint(
            "operation_id", "number", "merchant_id", name="pk_payment_attempts"
        ),
    )


def _add_what_refunds_reserve() -> None:
    column = "ALTER TABLE orders ADD COLUMN refunding_minor BIGINT DEFAULT '0' NOT NULL"
    constraint = f"CONSTRAINT ck_orders_never_reserved_twice CHECK ({_RESERVED})"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(column)
        # It is true of every row that is there: nobody waits while they are all looked at.
        op.execute(f"ALTER TABLE orders ADD {constraint} NOT VALID")
    else:
        # A constraint that comes with a column is the only one that SQLite takes later.
        op.execute(f"{column} {constraint}")
