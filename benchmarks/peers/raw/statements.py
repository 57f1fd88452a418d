"""What is sent to PostgreSQL. asyncpg prepares each statement once for a connection."""

from typing import Final

PLACE: Final = """
WITH claim AS (
    INSERT INTO idempotency_keys (
        merchant_id, key, route, fingerprint_version, fingerprint, members, resource_type,
        resource_id, status, location, body, sealed, created_at, expires_at
    )
    VALUES ($1, $2, 'POST /v1/orders', 1, $3, $4, 'order', $5, 201, $6, $7, false, $8, $9)
    ON CONFLICT DO NOTHING
    RETURNING resource_id
), new_order AS (
    INSERT INTO orders (
        id, merchant_id, idempotency_key, customer_id, amount_minor, currency, invoice_id,
        description, payment_method, capture_method, metadata, status, captured_minor,
        refunded_minor, risk_score, version, created_at, updated_at
    )
    SELECT $5, $1, $2, $10, $11, $12, $13, $14, $15, $16, $17, 'pending', 0, 0, 5, 1, $8, $8
    FROM claim
), new_operation AS (
    INSERT INTO payment_operations (
        id, merchant_id, order_id, kind, amount_minor, currency, payment_method, state, fence,
        attempts, due_at, created_at, updated_at
    )
    SELECT $18, $1, $5, 'charge', $11, $12, $15, 'pending', 0, 0, $8, $8, $8
    FROM claim
), new_event AS (
    INSERT INTO events (
        id, merchant_id, order_id, order_version, type, occurred_at, data
    )
    SELECT $19, $1, $5, 1, 'order.created', $8, $20
    FROM claim
)
SELECT count(*) FROM claim
"""
FIND_ANSWER: Final = """
SELECT fingerprint, body, location FROM idempotency_keys WHERE merchant_id = $1 AND key = $2
"""
GET: Final = "SELECT * FROM orders WHERE id = $1 AND merchant_id = $2"
LIST: Final = """
SELECT * FROM orders WHERE merchant_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
"""
