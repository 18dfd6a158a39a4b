import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import {
  openOutput,
  testDeclaration,
  testInput,
  testOutput,
  textOf,
  type After,
} from "cufflink/testkit";
import binding from "./FILE";

/** Stands for the service. `answers`: what it does with the next requests in place of what was asked. */
async function startService(after: After) {
  const messages = new Map<string, Buffer>();
  const answers: (number | "cut")[] = [];
  let count = 0;
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const answer = answers.shift();
    if (answer === "cut") return void request.socket.destroy();
    if (answer !== undefined) return void response.writeHead(answer).end("as told");
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://service");
    if (request.method === "GET") {
      const all = [...messages].map(([id, data]) => ({ id, data: data.toString("base64") }));
      response.end(JSON.stringify(all.slice(0, Number(searchParams.get("limit")))));
    } else if (request.method === "POST") {
      const id = String(++count);
      messages.set(id, Buffer.concat(parts));
      response.writeHead(201).end(id);
    } else {
      messages.delete(decodeURIComponent(pathname.split("/").at(-1) ?? ""));
      response.writeHead(204).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, messages, answers };
}

testDeclaration(test, binding);

testOutput(test, "TYPE", binding, async (after) => {
  const { url, messages } = await startService(after);
  return { properties: { url }, arrived: async () => [...messages.values()] };
});

testInput(test, "TYPE", {
  binding,
  largest: 2 ** 20,
  async place(after) {
    const { url, messages } = await startService(after);
    let sent = 0;
    const send = async (data: Uint8Array): Promise<void> =>
      void messages.set(`test-${++sent}`, Buffer.from(data));
    return {
      properties: { url, pollInterval: "20ms" },
      send,
      async sendMarked() {
        await send(Buffer.from("marked"));
        return ({ metadata }) => assert.deepEqual(metadata, { messageId: "test-1" });
      },
    };
  },
});

const effects = [
  [429, "resource_exhausted", "unsent"],
  [503, "unavailable", "ambiguous"],
  ["cut", "unavailable", "ambiguous"],
  [400, "invalid_argument", "rejected"],
] as const;

for (const [answer, reason, effect] of effects) {
  test(`a call that is answered by ${answer} is ${effect}`, () =>
    withService(async ({ url, messages, answers }) => {
      const output = await openOutput(binding, { url });
      answers.push(answer);
      await assert.rejects(output.invoke("create", {}, { data: "x" }), { reason, effect });
      await output.invoke("create", {}, { data: "y" });
      assert.deepEqual([...messages.values()].map(String), ["y"]);
      await output[Symbol.asyncDispose]();
    }));
}

test("a message is deleted by its id, and to delete it again does no harm", () =>
  withService(async ({ url, messages }) => {
    const output = await openOutput(binding, { url });
    const id = textOf(await output.invoke("create", {}, { data: "x" })) ?? "";
    await output.invoke("delete", { id });
    await output.invoke("delete", { id });
    assert.equal(messages.size, 0);
    await output[Symbol.asyncDispose]();
  }));

test("a service that is not there was sent nothing", async () => {
  let url = "";
  await withService(async (service) => void ({ url } = service));
  await assert.rejects(openOutput(binding, { url }), { reason: "unavailable", effect: "unsent" });
});

async function withService(
  run: (service: Awaited<ReturnType<typeof startService>>) => Promise<void>,
): Promise<void> {
  const ends: (() => unknown)[] = [];
  try {
    await run(await startService((end) => ends.push(end)));
  } finally {
    for (const end of ends) await end();
  }
}
