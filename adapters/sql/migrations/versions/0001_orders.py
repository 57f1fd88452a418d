"""Merchants, API keys, and orders with their idempotency keys, operations and events."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.moment import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("fingerprint_version", sa.SmallInteger(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.String(length=32), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.CheckConstraint("status BETWEEN 200 AND 299", name="ck_idempotency_keys_only_successes"),
        sa.PrimaryKeyConstraint("merchant_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index(
        "ix_idempotency_keys_expiring",
        "idempotency_keys",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("body IS NOT NULL"),
        sqlite_where=sa.text("body IS NOT NULL"),
    )
    op.create_table(
        "merchants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_merchants"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("customer_id", sa.String(length=128), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("invoice_id", sa.String(length=128), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("payment_method", sa.String(length=255), nullable=True),
        sa.Column("capture_method", sa.String(length=16), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("captured_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("risk_score", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name="ck_orders_amount_positive"),
        sa.CheckConstraint(
            "refunded_minor >= 0 AND refunded_minor <= captured_minor"
            " AND captured_minor <= amount_minor",
            name="ck_orders_never_more_than_taken",
        ),
        sa.PrimaryKeyConstraint("id", "merchant_id", name="pk_orders"),
        sa.UniqueConstraint(
            "merchant_id", "idempotency_key", name="uq_orders_merchant_id_idempotency_key"
        ),
    )
    op.create_index(
        "ix_orders_invoice",
        "orders",
        ["merchant_id", "invoice_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("invoice_id IS NOT NULL"),
        sqlite_where=sa.text("invoice_id IS NOT NULL"),
    )
    op.create_index(
        "ix_orders_merchant_id_created_at_id",
        "orders",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_orders_merchant_id_customer_id_created_at_id",
        "orders",
        ["merchant_id", "customer_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_orders_merchant_id_status_created_at_id",
        "orders",
        ["merchant_id", "status", "created_at", "id"],
        unique=False,
    )
    _make_primary_key_last()
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=True),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=True),
        sa.Column("revoked_at", Moment, nullable=True),
        sa.Column("last_used_at", Moment, nullable=True),
        sa.Column("replaced_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_api_keys_merchant_id"),
        sa.PrimaryKeyConstraint("id", "merchant_id", name="pk_api_keys"),
        sa.UniqueConstraint("merchant_id", "digest", name="uq_api_keys_merchant_id_digest"),
    )
    op.create_index(
        "ix_api_keys_merchant_id_created_at_id",
        "api_keys",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index("ix_api_keys_prefix", "api_keys", ["prefix"], unique=False)
    op.create_table(
        "order_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("order_version", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("occurred_at", Moment, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id", "merchant_id"],
            ["orders.id", "orders.merchant_id"],
            name="fk_order_events_order_id_merchant_id",
        ),
        sa.PrimaryKeyConstraint("id", "merchant_id", name="pk_order_events"),
        sa.UniqueConstraint(
            "order_id",
            "order_version",
            "merchant_id",
            name="uq_order_events_order_id_order_version_merchant_id",
        ),
    )
    op.create_table(
        "payment_operations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("payment_method", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("first_sent_at", Moment, nullable=True),
        sa.Column("lease_expires_at", Moment, nullable=True),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name="ck_payment_operations_amount_positive"),
        sa.ForeignKeyConstraint(
            ["order_id", "merchant_id"],
            ["orders.id", "orders.merchant_id"],
            name="fk_payment_operations_order_id_merchant_id",
        ),
        sa.PrimaryKeyConstraint("id", "merchant_id", name="pk_payment_operations"),
    )
    op.create_index(
        "ix_payment_operations_due",
        "payment_operations",
        ["due_at", "merchant_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'unknown')"),
        sqlite_where=sa.text("state IN ('pending', 'unknown')"),
    )
    op.create_index(
        "ix_payment_operations_order_id_merchant_id",
        "payment_operations",
        ["order_id", "merchant_id"],
        unique=False,
    )


def _make_primary_key_last() -> None:
    """On an empty table PostgreSQL takes all indexes for equally good, and the one made last wins.
    A connection would then look orders up by id (every foreign key does) through all of a
    merchant's orders, until the table is analyzed for the first time."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("pk_orders", "orders", type_="primary")
        op.create_primary_key("pk_orders", "orders", ["id", "merchant_id"])
