import { createServer } from "node:https";
import { afterAll, expect, test } from "vitest";
import { makeCertificates } from "../bindings/certificates.ts";
import { startLoopback } from "../bindings/http/loopback-server.ts";
import { startDaemon } from "./daemon.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());

async function answers(flags: string[], environment: Record<string, string>, calls: number) {
  const { cert, key } = certificates.server;
  await using server = await startLoopback(
    (_received, response) => void response.end("well"),
    (listener) => createServer({ cert, key }, listener),
    "https",
  );
  const metadata = { url: server.url };
  await using daemon = await startDaemon({
    components: [{ name: "out", type: "bindings.http", metadata }],
    flags,
    env: { SSL_CERT_FILE: "", SSL_CERT_DIR: "", NODE_EXTRA_CA_CERTS: "", ...environment },
  });
  const statuses = new Set<number>();
  for (let call = 0; call < calls; call++) {
    // Each by a connection of its own, which the threads take in turn.
    const answer = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/out`, {
      method: "POST",
      headers: { connection: "close" },
      body: JSON.stringify({ operation: "get" }),
    });
    await answer.text();
    statuses.add(answer.status);
  }
  return { statuses: [...statuses], received: server.received.length };
}

test("a daemon trusts the authorities of SSL_CERT_FILE", async () => {
  const trusting = { SSL_CERT_FILE: certificates.caPath };
  expect(await answers([], trusting, 1)).toEqual({ statuses: [200], received: 1 });
});

test("each of its workers does, and of SSL_CERT_DIR as well", async () => {
  const trusting = { SSL_CERT_DIR: certificates.caPath.replace(/\/[^/]+$/, "") };
  const flags = ["--workers", "2"];
  expect(await answers(flags, trusting, 16)).toEqual({ statuses: [200], received: 16 });
});

test("without the variables it does not", async () => {
  expect(await answers([], {}, 1)).toEqual({ statuses: [500], received: 0 });
});
