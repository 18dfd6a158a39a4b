import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import storageQueues from "../../../src/bindings/azure/azure.storagequeues/index.ts";
import { startLoopback } from "../http/loopback-server.ts";
import { openInput } from "../opened-input.ts";
import { messages } from "./fake-storage.ts";
import { queueProperties } from "./queue-source.ts";

/** How many messages the queue has; each request takes as many as it may. */
const all = 640;
const atOnce = 32;

test("no more messages are taken than can be deleted while they are invisible", async () => {
  let [taken, deleted, mostOpen] = [0, 0, 0];
  const server = await startLoopback(async ({ method, url = "" }, response) => {
    if (method === "DELETE") {
      await pause(25);
      deleted++;
      response.writeHead(204).end();
      return;
    }
    const isReading = method === "GET" && url.includes("numofmessages");
    const count = isReading ? Math.min(atOnce, all - taken) : 0;
    const some = Array.from({ length: count }, (_, at) => ({ id: `m${taken + at}`, text: "x" }));
    taken += count;
    mostOpen = Math.max(mostOpen, taken - deleted);
    response.writeHead(200, { "content-type": "application/xml" }).end(messages(...some));
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const input = await openInput(storageQueues, queueProperties(server, "jobs"));
  for (let event = 0; event < all; event++) (await input.next()).settle({ outcome: "handled" });
  await input.reader.flush();
  expect({ taken, deleted }).toEqual({ taken: all, deleted: all });
  // What the app may have, what waits, and what is being asked for.
  expect(mostOpen).toBeLessThanOrEqual(64 + 32 + 16);
});
