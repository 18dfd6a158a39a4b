import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { MessageChannel } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import { BindingError } from "../../src/errors.ts";
import { Peer } from "../../src/workers/peer.ts";
import { PortStream } from "../../src/workers/port-stream.ts";

type Served = {
  double(number: number): number;
  fail(): void;
  wait(): string;
  unsendable(): object;
};

function createPeers() {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const aborted: unknown[] = [];
  const served = new Peer<Record<string, never>, Served>(port1, {
    double: (number) => 2 * number,
    async fail() {
      throw new BindingError("not_found", "there is none", { effect: "unsent", retryAfter: 5 });
    },
    wait: (signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          aborted.push(signal.reason);
          resolve("ended");
        });
      }),
    unsendable: () => ({ run: () => 1 }),
  });
  return { served, asking: new Peer<Served, Record<string, never>>(port2, {}), aborted };
}

test("calls are answered, fail as they failed there, and what cannot be sent fails alone", async () => {
  const { asking } = createPeers();
  const [four, failed, unsent, six] = await Promise.allSettled([
    asking.call("double", [2]),
    asking.call("fail", []),
    asking.call("unsendable", []),
    asking.call("double", [3]),
  ]);
  expect([four, six].map((one) => one.status === "fulfilled" && one.value)).toEqual([4, 6]);
  expect(failed).toMatchObject({
    reason: { reason: "not_found", message: "there is none", effect: "unsent", retryAfter: 5 },
  });
  expect(unsent.status).toBe("rejected");
});

test("a call that is cancelled ends on both sides, and the end of a side ends its calls", async () => {
  const { asking, served, aborted } = createPeers();
  const cancelling = new AbortController();
  const cancelled = asking.call("wait", [], { signal: cancelling.signal });
  await asking.call("double", [1]);
  cancelling.abort(new BindingError("cancelled", "enough"));
  await expect(cancelled).rejects.toThrow("enough");
  await asking.call("double", [1]);
  expect(aborted).toHaveLength(1);
  const left = asking.call("wait", []);
  asking.end("worker 2 has ended");
  await expect(left).rejects.toMatchObject({ reason: "unavailable", effect: "ambiguous" });
  await expect(asking.call("double", [1])).rejects.toThrow("worker 2 has ended");
  served.end("over");
});

test("a stream between threads carries bytes both ways, waits for its reader, and ends", async () => {
  const { port1, port2 } = new MessageChannel();
  const [one, other] = [new PortStream(port1), new PortStream(port2)];
  const part = Buffer.alloc(64 * 1024, "x");
  const writing = pipeline(Readable.from(Array.from({ length: 64 }, () => part)), one);
  await new Promise((resolve) => setImmediate(resolve));
  // Half a mebibyte is the most that goes unread.
  expect(one.writableLength).toBeGreaterThan(0);
  let read = 0;
  other.on("data", (chunk: Buffer) => (read += chunk.length));
  await Promise.all([writing, once(other, "end")]);
  expect(read).toBe(64 * part.length);
});
