import { createServer, request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createApp, Retry, type BindingApp } from "../../../src/sdk/index.ts";
import { Kits, mail, orders } from "./kits.ts";

const kits = new Kits();
const apps: AsyncDisposable[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app[Symbol.asyncDispose]();
  await kits.close();
});

/** An app that sends a mail for each order, at the second attempt. */
function shop(runtime: string): BindingApp {
  const app = createApp({ runtime, log: () => {} });
  apps.push(app);
  return app.on("orders", async (event) => {
    if (event.attempt === 1) throw new Retry("not yet");
    await app.invoke("mail", "create", { data: `order ${event.text()}` });
  });
}

const handled = { outcome: "handled", attempts: 2, deliveries: 1 };

describe("gRPC", () => {
  test("an app that dials in", async () => {
    const kit = await kits.of({ components: [orders, mail], app: {} });
    expect(kit.environment).toEqual({
      ...{ APP_ID: "cufflink", DAPR_GRPC_PORT: `${kit.port}`, DAPR_HTTP_PORT: `${kit.port}` },
    });
    await shop(`127.0.0.1:${kit.port}`).start();
    await kit.ready();
    expect(await kit.clock.until(kit.input("orders").deliver("42"))).toMatchObject(handled);
    expect(kit.output("mail").calls.map((call) => call.text())).toEqual(["order 42"]);
    // What the app waits for waits for the time, which is known though the app is elsewhere.
    kit.fault("mail: delay 1h");
    const began = kit.clock.now().getTime();
    expect(await kit.clock.until(kit.input("orders").deliver("43"))).toMatchObject(handled);
    expect(kit.clock.now().getTime() - began).toBe(3_601_000);
  });

  test("an app that is dialled on its port", async () => {
    const runtimePort = await freePort();
    const { port } = await shop(`127.0.0.1:${runtimePort}`).serve({ port: 0 });
    const kit = await kits.of({
      components: [orders, mail],
      app: { port, protocol: "grpc", runtimePort },
    });
    await kit.ready();
    expect(await kit.clock.until(kit.input("orders").deliver("42"))).toMatchObject(handled);
    expect(kit.output("mail").calls.map((call) => call.text())).toEqual(["order 42"]);
  });
});

test("HTTP: an app on its port, which calls the runtime by Dapr's path", async () => {
  const runtimePort = await freePort();
  let asked = 0;
  const server = createServer((incoming, answer) => {
    void (async () => {
      const body = await bodyOf(incoming);
      if (incoming.method === "POST" && ++asked === 1) answer.statusCode = 503;
      else if (incoming.method === "POST") {
        const path = `http://127.0.0.1:${runtimePort}/v1.0/bindings/mail`;
        const invocation = { operation: "create", data: { order: JSON.parse(body) as unknown } };
        answer.statusCode = await post(path, JSON.stringify(invocation));
      }
      answer.end();
    })();
  });
  apps.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const kit = await kits.of({ components: [orders, mail], app: { port, runtimePort } });
  await kit.ready();
  expect(await kit.clock.until(kit.input("orders").deliver({ json: 42 }))).toMatchObject(handled);
  expect(kit.output("mail").calls).toMatchObject([{ encoding: "json" }]);
  expect(kit.output("mail").calls[0]?.json()).toEqual({ order: 42 });
  kit.output("mail").fault("fail");
  expect(await kit.clock.until(kit.input("orders").deliver({ json: 43 }))).toMatchObject({
    ...{ outcome: "handled", movedTo: "dead letters", attempts: 3 },
  });
});

test("an app that never comes", async () => {
  const kit = await kits.of({ components: [orders], app: { port: await freePort() } });
  await expect(kit.ready(50)).rejects.toThrow("not ready: orders is not read yet");
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await server[Symbol.asyncDispose]();
  return port;
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function post(url: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: "POST" }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.once("error", reject);
    sent.end(body);
  });
}
