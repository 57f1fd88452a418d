import { setTimeout as wait } from "node:timers/promises";
import type { Client } from "openapi-fetch";
import type { components, paths } from "./harbor.js";

type Order = components["schemas"]["Order"];
type OrderRequest = components["schemas"]["OrderRequest"];

const ATTEMPTS = 5;

/** One order, however often it has to be asked for. Keep the key beside what you order it for. */
export async function placeOrder(
  harbor: Client<paths>,
  key: string,
  body: OrderRequest,
): Promise<Order> {
  const params = { header: { "Idempotency-Key": key } };
  for (let attempt = 1; ; attempt += 1) {
    const answer = await harbor.POST("/v1/orders", { params, body }).catch(() => undefined);
    if (answer?.data !== undefined) return answer.data;
    const status = answer?.response.status ?? 500;
    const after = answer?.response.headers.get("Retry-After") ?? "";
    const refused = !after && status < 500 && status !== 408 && status !== 429;
    if (refused || attempt === ATTEMPTS) {
      throw new Error(answer?.error?.detail ?? "Harbor has no answer yet.");
    }
    const seconds = Number.parseInt(after);
    await wait(1000 * (Number.isNaN(seconds) ? attempt : seconds));
  }
}
