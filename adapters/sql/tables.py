"""The tables. Their constraints carry the promises.

`merchant_id` stands in every key, so that no query of a request crosses merchants and the schema
can be distributed by merchant. Where an id is a UUIDv7 it comes first in the key: such an index
grows at its right edge only.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from adapters.sql.moment import Moment

SCHEMA_REVISION: Final = "0006"
"""The migration that this code needs; a test holds it equal to the newest one."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

merchants = Table(
    "merchants",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("created_at", Moment, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("merchant_id", Uuid, nullable=False),
    Column("name", String(100)),
    Column("prefix", String(20), nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
    Column("replaced_by", Uuid),
    PrimaryKeyConstraint("id", "merchant_id"),
    UniqueConstraint("merchant_id", "digest"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
    Index(None, "merchant_id", "created_at", "id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("merchant_id", Uuid, nullable=False),
    Column("key", String(255), nullable=False),
    Column("route", Text, nullable=False),
    Column("fingerprint_version", SmallInteger, nullable=False),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("members", Text, nullable=False),
    Column("resource_type", String(32), nullable=False),
    Column("resource_id", Uuid, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("location", Text, nullable=False),
    Column("body", LargeBinary),
    Column("sealed", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    PrimaryKeyConstraint("merchant_id", "key"),
    CheckConstraint("status BETWEEN 200 AND 299", name="only_successes"),
)
Index(
    "ix_idempotency_keys_expiring",
    idempotency_keys.c.expires_at,
    postgresql_where=idempotency_keys.c.body.is_not(None),
    sqlite_where=idempotency_keys.c.body.is_not(None),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("merchant_id", Uuid, nullable=False),
    Column("idempotency_key", String(255), nullable=False),
    Column("customer_id", String(128), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("invoice_id", String(128)),
    Column("description", Text),
    Column("payment_method", String(255)),
    Column("capture_method", String(16), nullable=False),
    Column("metadata", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("captured_minor", BigInteger, nullable=False),
    Column("refunded_minor", BigInteger, nullable=False),
    Column("refunding_minor", BigInteger, nullable=False, server_default="0"),
    Column("failure_code", String(64)),
    Column("failure_message", Text),
    Column("payment_id", String(255)),
    Column("risk_score", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    PrimaryKeyConstraint("id", "merchant_id"),
    UniqueConstraint("merchant_id", "idempotency_key"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint(
        "refunded_minor >= 0 AND refunded_minor <= captured_minor"
        " AND captured_minor <= amount_minor",
        name="never_more_than_taken",
    ),
    CheckConstraint(
        "refunding_minor >= 0 AND refunded_minor + refunding_minor <= captured_minor",
        name="never_reserved_twice",
    ),
    Index(None, "merchant_id", "created_at", "id"),
    Index(None, "merchant_id", "customer_id", "created_at", "id"),
    Index(None, "merchant_id", "status", "created_at", "id"),
)
Index(
    "ix_orders_invoice",
    orders.c.merchant_id,
    orders.c.invoice_id,
    orders.c.created_at,
    orders.c.id,
    postgresql_where=orders.c.invoice_id.is_not(None),
    sqlite_where=orders.c.invoice_id.is_not(None),
)

payment_operations = Table(
    "payment_operations",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("merchant_id", Uuid, nullable=False),
    Column("order_id", Uuid, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("gateway", String(32), nullable=False, server_default="simulated"),
    Column("payment_method", String(255)),
    Column("payment_id", String(255)),
    Column("reason", Text),
    Column("state", String(16), nullable=False),
    Column("failure_code", String(64)),
    Column("failure_message", Text),
    Column("problem", String(64)),
    Column("fence", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("first_sent_at", Moment),
    Column("lease_expires_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    PrimaryKeyConstraint("id", "merchant_id"),
    ForeignKeyConstraint(["order_id", "merchant_id"], ["orders.id", "orders.merchant_id"]),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    Index(None, "order_id", "merchant_id"),
)
OPEN: Final = text("state IN ('pending', 'unknown', 'held')")
"""What a worker has to come back to. Its values stand in the text, for PostgreSQL takes the index
only for a condition that it can see to be the index's own."""
Index(
    "ix_payment_operations_open",
    payment_operations.c.gateway,
    payment_operations.c.due_at,
    payment_operations.c.merchant_id,
    postgresql_where=OPEN,
    sqlite_where=OPEN,
)

payment_attempts = Table(
    "payment_attempts",
    metadata,
    Column("operation_id", Uuid, nullable=False),
    Column("merchant_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("code", String(64)),
    PrimaryKeyConstraint("operation_id", "number", "merchant_id"),
    ForeignKeyConstraint(
        ["operation_id", "merchant_id"], ["payment_operations.id", "payment_operations.merchant_id"]
    ),
)

events = Table(
    "events",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("merchant_id", Uuid, nullable=False),
    Column("order_id", Uuid),
    Column("order_version", Integer),
    Column("type", String(64), nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("data", Text, nullable=False),
    Column("sequence", BigInteger),
    Column("endpoint_id", Uuid),
    PrimaryKeyConstraint("id", "merchant_id"),
    UniqueConstraint("order_id", "order_version", "merchant_id"),
    ForeignKeyConstraint(["order_id", "merchant_id"], ["orders.id", "orders.merchant_id"]),
)
UNNUMBERED: Final = events.c.sequence.is_(None)
Index(
    "ix_events_unnumbered",
    events.c.merchant_id,
    events.c.occurred_at,
    postgresql_where=UNNUMBERED,
    sqlite_where=UNNUMBERED,
)
Index(
    "ix_events_feed",
    events.c.merchant_id,
    events.c.sequence,
    unique=True,
    postgresql_where=events.c.sequence.is_not(None),
    sqlite_where=events.c.sequence.is_not(None),
)

event_feeds = Table(
    "event_feeds",
    metadata,
    Column("merchant_id", Uuid, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
)
"""How far each merchant's events are numbered; whoever numbers them holds the row."""

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("merchant_id", Uuid, nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", Text),
    Column("description", Text),
    Column("status", String(16), nullable=False),
    Column("disabled_reason", String(16)),
    Column("secret", LargeBinary, nullable=False),
    Column("previous_secret", LargeBinary),
    Column("previous_until", Moment),
    Column("failing_since", Moment),
    Column("version", Integer, nullable=False),
    Column("due_at", Moment),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_expires_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    PrimaryKeyConstraint("id", "merchant_id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
    Index(None, "merchant_id", "created_at", "id"),
)

DUE: Final = text("status = 'enabled' AND due_at IS NOT NULL")
"""Of endpoints: whom something waits for. As text, for PostgreSQL takes the index only for a
condition that it can see to be the index's own."""
Index(
    "ix_webhook_endpoints_due",
    webhook_endpoints.c.due_at,
    postgresql_where=DUE,
    sqlite_where=DUE,
)

TO_HOLD: Final = text("status <> 'enabled' AND due_at IS NOT NULL")
"""Of endpoints that are not told any more: for whom something may wait all the same."""
Index(
    "ix_webhook_endpoints_to_hold",
    webhook_endpoints.c.due_at,
    postgresql_where=TO_HOLD,
    sqlite_where=TO_HOLD,
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("merchant_id", Uuid, nullable=False),
    Column("endpoint_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("event_type", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    PrimaryKeyConstraint("id", "merchant_id"),
    UniqueConstraint("endpoint_id", "sequence", "merchant_id"),
    ForeignKeyConstraint(
        ["endpoint_id", "merchant_id"], ["webhook_endpoints.id", "webhook_endpoints.merchant_id"]
    ),
    Index(None, "endpoint_id", "created_at", "id"),
)
WAITING: Final = text("state = 'pending'")
Index(
    "ix_webhook_deliveries_waiting",
    webhook_deliveries.c.endpoint_id,
    webhook_deliveries.c.due_at,
    webhook_deliveries.c.sequence,
    postgresql_where=WAITING,
    sqlite_where=WAITING,
)

HELD: Final = text("state = 'held'")
Index(
    "ix_webhook_deliveries_held",
    webhook_deliveries.c.endpoint_id,
    webhook_deliveries.c.created_at,
    webhook_deliveries.c.id,
    postgresql_where=HELD,
    sqlite_where=HELD,
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_id", Uuid, nullable=False),
    Column("merchant_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("status", SmallInteger),
    Column("problem", String(32)),
    Column("excerpt", Text, nullable=False),
    PrimaryKeyConstraint("delivery_id", "number", "merchant_id"),
    ForeignKeyConstraint(
        ["delivery_id", "merchant_id"], ["webhook_deliveries.id", "webhook_deliveries.merchant_id"]
    ),
)
