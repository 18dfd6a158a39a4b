import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";

export type HttpApp = { readonly port: number };

/** An app in this process that wants every input and answers events as `handle` says. It is gone after the test. */
export async function startHttpApp(
  handle: (path: string, body: Buffer) => Promise<{ status: number; body?: string }>,
): Promise<HttpApp> {
  const server = createServer((request, response) => {
    void buffer(request).then(async (body) => {
      if (request.method === "OPTIONS") return response.end();
      const answer = await handle(request.url ?? "", body);
      response.statusCode = answer.status;
      return response.end(answer.body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port };
}
