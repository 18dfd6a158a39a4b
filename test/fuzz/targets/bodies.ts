import * as fc from "fast-check";
import { lookInterval, watchedCalls } from "../../../src/grpc/watched-calls.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { connect } from "node:net";
import { until } from "../../until.ts";
import { startFixture } from "../fixture.ts";
import { exchange, oneReply } from "../http-exchange.ts";
import type { Target } from "../target.ts";

type Body = {
  readonly path: string;
  readonly type: string;
  /** Announced; undefined: in chunks. */
  readonly length: number | undefined;
  /** What is sent, one write after another. */
  readonly parts: readonly number[];
  /** After these writes half a minute passes. */
  readonly stops: boolean;
  /** The end of chunks is sent. */
  readonly isEnded: boolean;
};

type Input = { readonly bodies: readonly Body[] };

const budget = 512 * 1024;
const statuses: ReadonlySet<number> = new Set([
  200, 204, 400, 404, 408, 413, 415, 429, 500, 501, 503,
]);
const size = fc.oneof(
  { weight: 3, arbitrary: fc.nat(70_000) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 2, 4095, 4096, 4097, 16_384, 65_536) },
);

/** Bodies over HTTP/1.1, several at one time: whole, cut, too long, too slow, and more than there is room for. */
export const bodies: Target<Input> = {
  name: "bodies",
  input: fc.record({
    bodies: fc.array(
      fc.record({
        path: fc.constantFrom(
          "/v1.0/bindings/probe",
          "/v1.0/metadata/fuzz",
          "/dapr.proto.runtime.v1.Dapr/InvokeBinding",
          "/cufflink.v1.Bindings/InvokeBindingStream",
          "/none",
        ),
        type: fc.constantFrom(
          ...["application/json", "application/proto", "application/connect+proto"],
          ...["application/grpc-web+proto", "text/plain"],
        ),
        length: fc.option(size, { nil: undefined }),
        parts: fc.array(size, { maxLength: 12 }),
        stops: fc.constantFrom(false, true),
        isEnded: fc.constantFrom(false, true),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  }),
  async start() {
    const memory = new MemoryBudget(budget);
    const fixture = await startFixture({ maxBodySize: 64 * 1024, memory });
    const share = memory.share("http");
    const good = Buffer.from(
      'POST /v1.0/bindings/probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 22\r\n\r\n{"operation":"create"}',
    );
    return {
      async check(input) {
        const sockets = input.bodies.map((body) => send(fixture.port, body));
        await Promise.all(sockets.map(({ sent }) => sent));
        if (input.bodies.some(({ stops }) => stops))
          for (let time = 0; time <= 30_000; time += lookInterval) watchedCalls.look();
        if (share.used > share.limit)
          throw new Error(`${share.used} bytes are held, of at most ${share.limit}`);
        for (const { socket } of sockets) socket.destroy();
        await until(() => memory.used === 0, { what: () => `${memory.used} bytes to be released` });
        for (const { answer } of sockets) {
          const status = /^HTTP\/1\.1 (\d+)/.exec(answer())?.[1];
          if (status !== undefined && !statuses.has(Number(status)))
            throw new Error(`answered ${answer().slice(0, 200)}`);
        }
        const reply = oneReply(await exchange(fixture.port, [good], 5000));
        if (reply.status !== 204)
          throw new Error(`the next good request got ${reply.status}: ${reply.body.toString()}`);
        fixture.calls.length = 0;
      },
      [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
    };
  },
};

function send(port: number, { path, type, length, parts, isEnded }: Body) {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  let answer = "";
  let isOver = false;
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
  // A reset is an end like any other.
  socket.on("error", () => undefined);
  socket.on("close", () => (isOver = true));
  const framing = length === undefined ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`;
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\n${framing}\r\n\r\n`);
  const write = async (): Promise<void> => {
    for (const part of parts) {
      if (isOver) return;
      const bytes = Buffer.alloc(part, 0x20);
      const head = length === undefined ? `${part.toString(16)}\r\n` : "";
      if (length === undefined && part === 0) continue;
      const framed = Buffer.concat([Buffer.from(head), bytes, Buffer.from(head && "\r\n")]);
      const written = new Promise<void>((resolve) => socket.write(framed, () => resolve()));
      await Promise.race([written, closed]);
    }
    if (isEnded && length === undefined && !isOver) socket.write("0\r\n\r\n");
  };
  return { socket, sent: write(), answer: () => answer };
}
