import { Socket } from "node:net";
import { setImmediate as turnEnds } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import rabbitmq from "../../../src/bindings/rabbitmq/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { openOutput } from "../opened-output.ts";
import type { OpenedOutput } from "../opened-output.ts";

describeWith("rabbitmq", (server) => {
  let queue: OpenedOutput;
  beforeAll(async () => {
    const queueName = uniqueName("orders");
    queue = await openOutput(rabbitmq, { host: server.url, queueName, durable: "true" });
  });
  afterAll(() => queue[Symbol.asyncDispose]());
  afterEach(() => vi.restoreAllMocks());

  const writes = () => ({
    single: vi.spyOn(Socket.prototype, "_write"),
    several: vi.spyOn(Socket.prototype as Required<Socket>, "_writev"),
  });

  test("messages of one turn go out in one write, and each is confirmed", async () => {
    const { single, several } = writes();
    const sent = Array.from({ length: 40 }, (_, n) =>
      queue.invoke("create", {}, { data: `message ${n}` }),
    );
    await Promise.all(sent);
    expect(several.mock.calls.map(([chunks]) => chunks.length)).toEqual([40]);
    expect(single).not.toHaveBeenCalled();
  });

  test("so do those that have to wait for room", async () => {
    const { single, several } = writes();
    const data = Buffer.alloc(1500, "x");
    await Promise.all(Array.from({ length: 400 }, () => queue.invoke("create", {}, { data })));
    const chunks = several.mock.calls.map(([all]) => all.length);
    expect(chunks.reduce((sum, count) => sum + count, 0) + single.mock.calls.length).toBe(400);
    expect(chunks.length + single.mock.calls.length).toBeLessThan(20);
  });

  test("a lone message is written within the turn in which it is sent", async () => {
    const { single } = writes();
    const sent = queue.invoke("create", {}, { data: "x" });
    await turnEnds();
    await turnEnds();
    expect(single).toHaveBeenCalledOnce();
    await sent;
  });
});
