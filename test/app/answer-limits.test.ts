import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { BindingEventResponseSchema } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import type { AppProtocol } from "../../src/app/app-protocol.ts";
import { createApp } from "../../src/app/app.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { encodeFrame } from "../../src/grpc/frame.ts";
import { startHttp2Server } from "../grpc/http2-server.ts";
import { delivery, never, spiedLogger, untilAvailable } from "./delivery.ts";
import { startUnaryApp } from "./unary-app.ts";

/** An answer that the test writes part by part. */
type Held = { write(part: Uint8Array): void; end(): void };

type Road = {
  readonly protocol: AppProtocol;
  /** Starts an app that keeps its answers open, and resolves to its port. */
  readonly serve: (held: Held[]) => Promise<number>;
  /** Reply data as they travel, so large that they are an answer of this size. */
  readonly encode: (size: number) => Uint8Array;
};

const roads: Record<string, Road> = {
  "HTTP/1.1": {
    protocol: "http",
    encode: (size) => Buffer.alloc(size, "x"),
    async serve(held) {
      const server = createServer((_request, response) => {
        response.flushHeaders();
        held.push({
          write: (part) => void response.write(part),
          end: () => void response.end(),
        });
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      onTestFinished(() => {
        server.closeAllConnections();
        server.close();
      });
      return (server.address() as AddressInfo).port;
    },
  },
  "HTTP/2": {
    protocol: "h2c",
    encode: (size) => Buffer.alloc(size, "x"),
    async serve(held) {
      const server = await startHttp2Server(({ stream }) => {
        stream.respond({ ":status": 200 });
        held.push({
          write: (part) => void stream.write(part),
          end: () => void stream.end(),
        });
      });
      onTestFinished(() => server.stop());
      return server.port;
    },
  },
  gRPC: {
    protocol: "grpc",
    encode(size) {
      // A field of bytes: a tag and a length of four bytes.
      const data = new Uint8Array(size - 4).fill(0x78);
      const message = toBinary(
        BindingEventResponseSchema,
        create(BindingEventResponseSchema, { data }),
      );
      return encodeFrame(message);
    },
    async serve(held) {
      const server = await startUnaryApp(({ stream }) => {
        stream.respond(
          { ":status": 200, "content-type": "application/grpc" },
          { waitForTrailers: true },
        );
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        held.push({
          write: (part) => void stream.write(part),
          end: () => void stream.end(),
        });
      });
      onTestFinished(() => server.stop());
      return server.port;
    },
  },
};

async function connect(road: Road, budget = new MemoryBudget()) {
  const held: Held[] = [];
  const memory = budget.share("app");
  const app = await createApp({
    protocol: road.protocol,
    port: await road.serve(held),
    logger: spiedLogger(),
    answers: { maxBytes: limit, setting: "--app-max-answer-size", memory: memory.forAnswers },
  });
  onTestFinished(() => app.close());
  await untilAvailable(app);
  const deliver = async (): Promise<[ReturnType<typeof app.deliver>, Held]> => {
    const count = held.length;
    const outcome = app.deliver(delivery(), never);
    await vi.waitFor(() => expect(held).toHaveLength(count + 1));
    return [outcome, held[count] as Held];
  };
  return { deliver, memory };
}

const limit = 300_000;

describe.each(Object.entries(roads))("over %s", (_, road) => {
  test("the largest answer is taken; one byte more is a failed attempt that says so", async () => {
    const { deliver, memory } = await connect(road);
    for (const [size, expected] of [
      [limit, { kind: "handled" }],
      [limit + 1, { kind: "refused", reason: expect.stringMatching(/larger than 300000 bytes/) }],
    ] as const) {
      const [outcome, answer] = await deliver();
      const bytes = road.encode(size);
      for (let at = 0; at < bytes.length; at += 50_000)
        answer.write(bytes.subarray(at, at + 50_000));
      answer.end();
      expect(await outcome).toMatchObject(expected);
    }
    const [outcome, answer] = await deliver();
    answer.write(Buffer.alloc(2 * limit));
    expect(await outcome).toMatchObject({
      reason: expect.stringContaining("--app-max-answer-size"),
    });
    expect(memory.used).toBe(0);
  });

  test("an answer for which the budget has no room is a failed attempt; small ones are taken", async () => {
    const { deliver, memory } = await connect(road, new MemoryBudget(400_000));
    const [first, large] = await deliver();
    const bytes = road.encode(190_000);
    large.write(bytes.subarray(0, 180_000));
    await vi.waitFor(() => expect(memory.used).toBe(180_000));
    const [second, refused] = await deliver();
    const [third, small] = await deliver();
    refused.write(bytes.subarray(0, 100_000));
    small.write(road.encode(50_000));
    small.end();
    expect(await second).toEqual({
      kind: "refused",
      reason: "the memory budget has no room for the answer (--memory-budget)",
    });
    expect(await third).toMatchObject({ kind: "handled" });
    large.write(bytes.subarray(180_000));
    large.end();
    expect(await first).toMatchObject({ kind: "handled" });
    expect(memory.used).toBe(0);
  });
});
