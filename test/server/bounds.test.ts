import { describe, expect, test } from "vitest";
import { lookInterval, watchedCalls } from "../../src/grpc/watched-calls.ts";
import { MemoryBudget } from "../../src/memory-budget.ts";
import { until } from "../until.ts";
import { roads, type OpenRequest } from "./roads.ts";
import { serve } from "./serve.ts";

// What strangers make the server hold is bounded on each road, in bytes and in time.

const mebibyte = 1024 * 1024;

describe.each(roads)("$name", (road) => {
  test("bodies beyond the listener's memory are refused at once, and all of it is free again", async () => {
    const memory = new MemoryBudget(8 * mebibyte);
    await using served = await serve({ memory });
    const share = memory.share("http");
    const size = mebibyte;
    const requests: OpenRequest[] = [];
    const answers: string[] = [];
    try {
      for (let count = 0; count < 12; count++) {
        const request = road.open(served.port, size);
        requests.push(request);
        void request.answer.then((answer) => answers.push(answer));
        // All but the last byte, and then silence.
        request.write(Buffer.alloc(size - 1, 0x20));
      }
      // Nine of them at the least have no room in four mebibytes.
      await until(() => answers.length >= 8, { what: () => `${answers.length} refusals` });
      expect(new Set(answers)).toEqual(new Set([road.noRoom]));
      expect(answers.length).toBeLessThan(12);
      expect(share.used).toBeLessThanOrEqual(share.limit);
      expect(share.refusals).toBeGreaterThanOrEqual(answers.length);
    } finally {
      for (const request of requests) request.destroy();
    }
    await until(() => share.used === 0, { what: () => `${share.used} bytes to be released` });
    expect(memory.used).toBe(0);
  });

  test.each([
    ["silence", 0],
    ["a byte a second", 1],
  ])("%s ends a body after half a minute", async (_, each) => {
    const memory = new MemoryBudget();
    await using served = await serve({ memory });
    const request = road.open(served.port, mebibyte);
    const answers: string[] = [];
    void request.answer.then((told) => answers.push(told));
    request.write(Buffer.alloc(100));
    await roundTrip(served.port);
    let seconds = 0;
    for (; answers.length === 0 && seconds < 70; seconds += lookInterval / 1000) {
      if (each > 0) request.write(Buffer.alloc((each * lookInterval) / 1000));
      await roundTrip(served.port);
      watchedCalls.look();
      await roundTrip(served.port);
    }
    expect(answers).toEqual([road.tooSlow]);
    // The timer looks as well while the test runs.
    expect(seconds).toBeGreaterThanOrEqual(24);
    expect(seconds).toBeLessThan(40);
    request.destroy();
    await until(() => memory.used === 0, { what: () => `${memory.used} bytes to be released` });
  });

  test("a body of 2 KiB a second is taken for minutes", async () => {
    await using served = await serve();
    const request = road.open(served.port, mebibyte);
    let answer: string | undefined;
    void request.answer.then((told) => (answer = told));
    for (let seconds = 0; seconds < 180; seconds += lookInterval / 1000) {
      request.write(Buffer.alloc(2048 * 2));
      await roundTrip(served.port);
      watchedCalls.look();
    }
    await roundTrip(served.port);
    expect(answer).toBeUndefined();
    request.destroy();
  });
});

/** What was written before has come, too. */
async function roundTrip(port: number): Promise<void> {
  await (await fetch(`http://127.0.0.1:${port}/v1.0/healthz`)).arrayBuffer();
}
