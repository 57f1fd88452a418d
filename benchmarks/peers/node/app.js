// POST /v1/orders with an Idempotency-Key: Fastify and a pg pool.

import { createHash } from 'node:crypto'
import Fastify from 'fastify'
import pg from 'pg'
import { v7 as uuid } from 'uuid'
import { headers, orderIn, orderOut } from './schemas.js'
import { findAnswer, place } from './statements.js'

const MERCHANT = process.env.MERCHANT_ID
const ANSWER_KEPT_MS = 30 * 24 * 60 * 60 * 1000

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  max: Number(process.env.POOL_SIZE ?? 16)
})
const app = Fastify({ logger: false })

// The fingerprint is taken of the bytes that came in.
app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
  request.rawBody = body
  try {
    done(null, JSON.parse(body))
  } catch (error) {
    error.statusCode = 400
    done(error)
  }
})

app.post('/v1/orders', { schema: { body: orderIn, headers } }, async (request, reply) => {
  const order = request.body
  const key = request.headers['idempotency-key']
  const fingerprint = createHash('sha256').update(request.rawBody).digest()
  const now = new Date()
  const id = uuid()
  const location = `/v1/orders/${id}`
  // The answer is stored as the bytes that are sent: it is serialized once, by the schema.
  const answer = reply.serializeInput(document(id, order, now), orderOut)
  const saved = await pool.query(place([
    MERCHANT, key, fingerprint, request.rawBody, id, location, Buffer.from(answer), now,
    new Date(now.getTime() + ANSWER_KEPT_MS), order.customer_id, order.amount_cents,
    order.currency, order.invoice_id, order.description, order.payment_method,
    order.capture_method, JSON.stringify(order.metadata), uuid(), uuid(), answer
  ]))
  reply.type('application/json')
  if (saved.rows[0].claimed === 1) {
    return reply.code(201).header('location', location).send(answer)
  }
  return replay(reply, key, fingerprint)
})

async function replay (reply, key, fingerprint) {
  const { rows: [stored] } = await pool.query(findAnswer([MERCHANT, key]))
  if (!stored.fingerprint.equals(fingerprint)) {
    return reply.code(422).send({ error: 'Idempotency-Key was used for another request' })
  }
  return reply.code(200).header('location', stored.location).send(stored.body)
}

function document (id, order, now) {
  const moment = now.toISOString()
  return {
    id,
    status: 'pending',
    customer_id: order.customer_id,
    amount_cents: order.amount_cents,
    currency: order.currency,
    invoice_id: order.invoice_id ?? null,
    description: order.description ?? null,
    payment_method: order.payment_method ?? null,
    capture_method: order.capture_method,
    metadata: order.metadata,
    amount_captured_cents: 0,
    amount_refunded_cents: 0,
    failure: null,
    version: 1,
    created_at: moment,
    updated_at: moment
  }
}

async function stop () {
  await app.close()
  await pool.end()
  process.exit(0)
}

process.once('SIGTERM', stop)
process.once('SIGINT', stop)
await pool.query('SELECT 1')
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
