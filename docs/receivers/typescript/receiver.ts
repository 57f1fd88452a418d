// Receives Harbor's webhooks: npm install && npm start

import { createServer, type IncomingMessage } from "node:http";
import { Webhook } from "standardwebhooks";

const LARGEST = 1_048_576; // bytes; Harbor sends far less

interface Event {
  id: string;
  type: string;
  sequence: number;
  data: { order?: { id: string; status: string; version: number } };
}

const webhook = new Webhook(process.env.WEBHOOK_SECRET ?? ""); // whsec_…
const seen = new Set<string>();

/** Write it down, once; do the work later. With you `seen` is a table with the id as its key. */
function accept(event: Event): void {
  if (seen.has(event.id)) return;
  seen.add(event.id);
  console.log("accepted", event.type, event.id);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > LARGEST) throw new RangeError("The body is too large."); // and hang up
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function receive(request: IncomingMessage): Promise<number> {
  if (request.method !== "POST" || request.url !== "/harbor") return 404;
  let event: Event;
  try {
    // The bytes as they came: JSON that was read and written again has another signature.
    const body = await bodyOf(request);
    event = webhook.verify(body, request.headers as Record<string, string>) as Event;
  } catch {
    return 400;
  }
  accept(event);
  return 204;
}

const server = createServer(async (request, response) => {
  const status = await receive(request).catch(() => 500); // then Harbor comes again
  response.writeHead(status).end();
});
const port = Number(process.env.PORT ?? 8080);
server.listen(port, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${port}`));
