// Receives Harbor's webhooks and hands them on, once they are verified.

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import type { components } from "./harbor.js";

export type OrderWebhook = components["schemas"]["OrderWebhook"];

const PATIENCE_MS = 30_000;

export class Receiver {
  private secret = "";
  private readonly told: OrderWebhook[] = [];
  private wake: () => void = () => {};

  private constructor(private readonly server: Server) {}

  static async listen(): Promise<Receiver> {
    const server = createServer();
    const receiver = new Receiver(server);
    server.on("request", async (request, response) => {
      response.writeHead(await receiver.receive(request)).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/harbor`;
  }

  expect(secret: string): void {
    this.secret = secret;
  }

  /** The next one that is told. */
  async next(): Promise<OrderWebhook> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const webhook = this.told.shift();
      if (webhook !== undefined) return webhook;
      await new Promise<void>((resolve, reject) => {
        const alarm = setTimeout(() => reject(new Error("no webhook came")), deadline - Date.now());
        this.wake = () => {
          clearTimeout(alarm);
          resolve();
        };
      });
    }
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async receive(request: IncomingMessage): Promise<number> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = request.headers as Record<string, string>;
    try {
      this.told.push(new Webhook(this.secret).verify(Buffer.concat(chunks), headers) as OrderWebhook);
    } catch {
      return 400;
    }
    this.wake();
    return 204;
  }
}
