import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startDaemon } from "./daemon.ts";

/** An HTTP server that counts its requests by path and answers as `answer` says. */
async function counting(answer: (path: string, time: number) => number, port = 0) {
  const counts = new Map<string, number>();
  const attempts: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    const time = (counts.get(path) ?? 0) + 1;
    if (request.method === "POST") counts.set(path, time);
    const { "cufflink-attempt": attempt, "cufflink-attempts": of } = request.headers;
    if (attempt !== undefined) attempts.push(`${String(attempt)} of ${String(of)}`);
    request.resume();
    const status = request.method === "POST" ? answer(path, time) : 200;
    // 0: no answer at all.
    if (status !== 0) response.writeHead(status).end();
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    attempts,
    count: (path: string) => counts.get(path) ?? 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

const resiliency = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: shop}
spec:
  policies:
    timeouts: {short: 200ms}
    retries:
      twice: {duration: 10ms, maxRetries: 2, matching: {httpStatusCodes: 500-599}}
    circuitBreakers:
      shaky: {timeout: 1s, trip: totalFailures >= 4}
  targets:
    components:
      retried: {outbound: {retry: twice}}
      slow: {outbound: {retry: twice, timeout: short}}
      shaky: {outbound: {circuitBreaker: shaky}}
      ticks: {inbound: {retry: twice}}
`;

test(
  "a daemon does what its Resiliency says, for outputs and for inputs",
  { timeout: 60_000 },
  async () => {
    let shakyAnswers = 503;
    await using upstream = await counting((path, time) => {
      if (path === "/slow") return 0;
      if (path === "/shaky") return shakyAnswers;
      return path === "/teapot" ? 418 : time === 3 && path === "/third" ? 200 : 503;
    });
    const appPort = await reservePort();
    await using app = await counting(() => 503, appPort);
    const output = (name: string) => ({
      ...{ name, type: "bindings.http" },
      metadata: { url: `http://127.0.0.1:${upstream.port}`, direction: "output" },
    });
    await using daemon = await startDaemon({
      components: [
        ...[resiliency, output("retried"), output("slow"), output("shaky")],
        {
          ...{ name: "ticks", type: "bindings.cron" },
          metadata: { schedule: "@every 1s", direction: "input" },
        },
      ],
      flags: ["--app-port", String(app.port), "--app-protocol", "http"],
    });
    const invoke = async (name: string, path: string) => {
      const answer = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/${name}`, {
        method: "POST",
        body: JSON.stringify({ operation: "post", data: "x", metadata: { path } }),
      });
      return {
        status: answer.status,
        text: await answer.text(),
        retry: answer.headers.get("retry-after"),
      };
    };
    await until(() => app.attempts.length >= 3, { what: () => "three attempts at the tick" });
    expect(app.attempts.slice(0, 3)).toEqual(["1 of 3", "2 of 3", "3 of 3"]);
    expect((await invoke("retried", "/never")).status).toBe(500);
    expect(upstream.count("/never")).toBe(3);
    expect((await invoke("retried", "/third")).status).toBeLessThan(300);
    expect(upstream.count("/third")).toBe(3);
    expect((await invoke("retried", "/teapot")).status).toBe(500);
    expect(upstream.count("/teapot")).toBe(1);
    expect((await invoke("slow", "/slow")).text).toContain("did not answer within 200ms");
    expect(upstream.count("/slow")).toBe(3);

    for (let time = 0; time < 4; time++) await invoke("shaky", "/shaky");
    const refused = await invoke("shaky", "/shaky");
    expect(refused.text).toContain("circuit breaker shaky of binding shaky is open");
    expect(refused.retry).toBe("1");
    expect(upstream.count("/shaky")).toBe(4);
    shakyAnswers = 200;
    await until(async () => (await invoke("shaky", "/shaky")).status < 300, {
      what: () => "the breaker to close again",
    });
    expect(upstream.count("/shaky")).toBe(5);
    expect(daemon.output()).toContain("circuit breaker opened");
  },
);
