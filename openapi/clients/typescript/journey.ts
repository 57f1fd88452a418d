// What a partner does with Harbor, with the client that was generated for TypeScript.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./harbor.js";
import { placeOrder } from "./place.js";
import { Receiver } from "./receiver.js";

type Order = components["schemas"]["Order"];
type OrderRequest = components["schemas"]["OrderRequest"];
type Problem = components["schemas"]["Problem"];

function env(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

const headers = { Authorization: `Bearer ${env("HARBOR_API_KEY")}` };
const harbor = createClient<paths>({ baseUrl: env("HARBOR_URL"), headers });
const losing = createClient<paths>({ baseUrl: env("HARBOR_LOSING_URL"), headers });
const receiver = await Receiver.listen();

const step = (name: string): void => console.log(`step: ${name}`);
const once = (key: string = randomUUID()) => ({ header: { "Idempotency-Key": key } });

async function place(body: OrderRequest, key: string): Promise<{ order: Order; response: Response }> {
  const { data, error, response } = await harbor.POST("/v1/orders", { params: once(key), body });
  if (error !== undefined) throw new Error(`${error.code}: ${error.detail}`);
  return { order: data, response };
}

async function register(): Promise<void> {
  const { data } = await harbor.POST("/v1/webhook-endpoints", {
    params: once(),
    body: { url: receiver.url, event_types: ["order.authorized", "order.paid", "order.refunded"] },
  });
  assert.ok(data);
  receiver.expect(data.secret);
  step("register a webhook endpoint");
}

async function placeTwice(): Promise<string> {
  const request: OrderRequest = {
    customer_id: "cus/42",
    amount_cents: 1999,
    currency: "EUR",
    capture_method: "manual",
    metadata: { department: "procurement" },
  };
  const key = randomUUID();
  const first = await place(request, key);
  assert.equal(first.response.status, 201);
  assert.deepEqual(first.order.metadata, { department: "procurement" });
  assert.equal(first.order.failure, null);
  step("place an order");
  const again = await place(request, key);
  assert.equal(again.response.status, 200);
  assert.equal(again.response.headers.get("Idempotent-Replayed"), "true");
  assert.deepEqual(again.order, first.order);
  step("retry it: the same order");
  return first.order.id;
}

async function beRefused(): Promise<void> {
  const body: OrderRequest = { customer_id: "cus/42", amount_cents: 0, currency: "EUR" };
  const { error } = await harbor.POST("/v1/orders", { params: once(), body });
  assert.ok(error);
  const problem: Problem = error;
  // @ts-expect-error The code is an enumeration: what is not in it is found by the compiler.
  assert.ok(problem.code !== "validation_fialed");
  assert.ok(problem.code === "validation_failed");
  assert.equal(problem.status, 422);
  assert.deepEqual(problem.errors?.map((each) => each.pointer), ["/amount_cents"]);
  step("handle a 422");
}

async function told(event: components["schemas"]["EventType"], id: string): Promise<Order> {
  const webhook = await receiver.next();
  assert.equal(webhook.type, event);
  assert.equal(webhook.data.order.id, id);
  step(`be told of ${event}`);
  return webhook.data.order;
}

async function refundTooEarly(order_id: string): Promise<void> {
  const { error } = await harbor.POST("/v1/orders/{order_id}/refunds", {
    params: { path: { order_id }, ...once() },
    body: {},
  });
  assert.ok(error);
  assert.ok(error.code === "order_is_authorized");
  assert.equal(error.status, 409);
  step("handle a 409");
}

async function captureAndRefund({ id: order_id, version }: Order): Promise<void> {
  const captured = await harbor.POST("/v1/orders/{order_id}/capture", {
    params: { path: { order_id }, header: { ...once().header, "If-Match": `"${version}"` } },
  });
  assert.equal(captured.response.status, 202);
  step("capture it");
  assert.equal((await told("order.paid", order_id)).amount_captured_cents, 1999);
  const refunded = await harbor.POST("/v1/orders/{order_id}/refunds", {
    params: { path: { order_id }, ...once() },
    body: { amount_cents: 500, reason: "one item was broken" },
  });
  assert.equal(refunded.data?.amount_cents, 500);
  step("refund a part");
  assert.equal((await told("order.refunded", order_id)).amount_refunded_cents, 500);
}

async function fetchIt(order_id: string): Promise<void> {
  const { data, response } = await harbor.GET("/v1/orders/{order_id}", {
    params: { path: { order_id } },
  });
  assert.equal(data?.status, "partially_refunded");
  const etag = response.headers.get("ETag");
  assert.ok(etag);
  const same = await harbor.GET("/v1/orders/{order_id}", {
    params: { path: { order_id }, header: { "If-None-Match": etag } },
  });
  assert.equal(same.response.status, 304);
  step("fetch it");
}

async function readEvents(): Promise<void> {
  const { data } = await harbor.GET("/v1/events", {
    params: { query: { type: ["order.paid", "order.refunded"] } },
  });
  assert.deepEqual(data?.data.map((event) => event.type), ["order.paid", "order.refunded"]);
  step("read two types of events");
}

async function* pages(): AsyncGenerator<Order[]> {
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = { limit: 2, ...(cursor === undefined ? {} : { cursor }) };
    const { data } = await harbor.GET("/v1/orders", { params: { query } });
    assert.ok(data);
    yield data.data;
    cursor = data.next_cursor;
  }
}

async function placeThoughItIsLost(): Promise<void> {
  const key = randomUUID();
  const body = { customer_id: "cus/43", amount_cents: 100, currency: "JPY" };
  const placed = await placeOrder(losing, key, body);
  assert.deepEqual((await place(body, key)).order, placed);
  step("place an order whose answer is lost");
}

async function listAll(): Promise<void> {
  for (let count = 1; count < 4; count += 1) {
    const body = { customer_id: "cus/43", amount_cents: 100 + count, currency: "JPY" };
    await placeOrder(harbor, randomUUID(), body);
  }
  const sizes: number[] = [];
  for await (const page of pages()) sizes.push(page.length);
  assert.deepEqual(sizes, [2, 2, 1]);
  step("page through all orders");
}

async function refuseForgery(): Promise<void> {
  const headers = {
    "webhook-id": "forged",
    "webhook-timestamp": String(Math.floor(Date.now() / 1000)),
    "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
  };
  const forged = await fetch(receiver.url, { method: "POST", headers, body: "{}" });
  assert.equal(forged.status, 400);
  step("refuse a forged webhook");
}

await register();
const id = await placeTwice();
await beRefused();
const authorized = await told("order.authorized", id);
await refundTooEarly(id);
await captureAndRefund(authorized);
await fetchIt(id);
await readEvents();
await placeThoughItIsLost();
await listAll();
await refuseForgery();
receiver.close();
