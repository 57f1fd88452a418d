// From these Fastify compiles the validation of requests and the serialization of answers.

const nullable = (type) => ({ type, nullable: true })

export const orderIn = {
  type: 'object',
  required: ['customer_id', 'amount_cents', 'currency'],
  additionalProperties: false,
  properties: {
    customer_id: { type: 'string', minLength: 1, maxLength: 128 },
    amount_cents: { type: 'integer', minimum: 1, maximum: 10_000_000 },
    currency: { type: 'string', pattern: '^[A-Z]{3}$' },
    invoice_id: nullable('string'),
    description: nullable('string'),
    payment_method: nullable('string'),
    capture_method: { enum: ['automatic', 'manual'], default: 'automatic' },
    metadata: { type: 'object', additionalProperties: { type: 'string' }, default: {} }
  }
}

export const headers = {
  type: 'object',
  required: ['idempotency-key'],
  properties: { 'idempotency-key': { type: 'string', minLength: 1, maxLength: 255 } }
}

export const orderOut = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    status: { type: 'string' },
    customer_id: { type: 'string' },
    amount_cents: { type: 'integer' },
    currency: { type: 'string' },
    invoice_id: nullable('string'),
    description: nullable('string'),
    payment_method: nullable('string'),
    capture_method: { type: 'string' },
    metadata: { type: 'object', additionalProperties: { type: 'string' } },
    amount_captured_cents: { type: 'integer' },
    amount_refunded_cents: { type: 'integer' },
    failure: {
      type: 'object',
      nullable: true,
      properties: { code: { type: 'string' }, message: { type: 'string' } }
    },
    version: { type: 'integer' },
    created_at: { type: 'string' },
    updated_at: { type: 'string' }
  }
}
