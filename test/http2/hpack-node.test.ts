import { once } from "node:events";
import * as http2 from "node:http2";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { HeaderBlock } from "../../src/http2/header-block.ts";
import { HpackDecoder } from "../../src/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack-encoder.ts";
import { http2Frame, preface, takeFrames } from "../grpc/http2-frame.ts";

// The other side of our encoder and of our decoder is nghttp2, as Node has it.

const seed = Date.now() % 2 ** 31;

/** A generator of numbers below a bound that repeats itself for its seed. */
function random(start: number): (below: number) => number {
  let state = start;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const next = random(seed);
const oneOf = <T>(...values: readonly T[]): T => values[next(values.length)] as T;

/** What nghttp2 lets pass: no control characters. */
function someValue(): string {
  const length = oneOf(0, 1, 8, 55, 200, next(900));
  if (next(3) === 0) return "x".repeat(length);
  const text = Array.from({ length }, () =>
    String.fromCharCode(oneOf(0x21 + next(94), 0x80 + next(128), 48 + next(10))),
  );
  return text.join("");
}

function someFields(): string[] {
  const fields: string[] = [];
  for (let count = next(12); count > 0; count--) {
    const name = oneOf("x-own", "x-secret", "traceparent", "server-timing", `x-${next(200)}`);
    fields.push(name, oneOf("0", "1", "x".repeat(next(4)), someValue()));
  }
  return fields;
}

/** A connection to a server, by frames. */
class Peer {
  readonly socket: Socket;
  readonly encoder = new HpackEncoder({ neverIndexed: new Set(["x-secret"]) });
  readonly decoder = new HpackDecoder({ maxTableSize: 4096, maxListSize: 1_000_000 });
  readonly responses: HeaderBlock[] = [];
  /** What the server ended the connection with. */
  goaway: number | undefined;
  #stream = -1;
  #read: Buffer = Buffer.alloc(0);
  #asked: number[] = [];
  #acknowledged = 0;
  #block: Buffer[] = [];

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (chunk: Buffer) => this.#take(chunk));
    this.socket.write(Buffer.concat([preface, http2Frame({ type: 4, stream: 0 })]));
  }

  request(fields: readonly string[]): void {
    const all = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x", ...fields];
    const out = Buffer.alloc(this.encoder.bound(all));
    const end = this.encoder.encode(all, out, 0);
    this.#stream += 2;
    this.socket.write(
      http2Frame({ type: 1, flags: 5, stream: this.#stream }, out.subarray(0, end)),
    );
  }

  /** Announces a size of the table that responses may use. */
  announce(tableSize: number): void {
    const payload = Buffer.alloc(6);
    payload.writeUInt16BE(1, 0);
    payload.writeUInt32BE(tableSize, 2);
    this.#asked.push(tableSize);
    this.socket.write(http2Frame({ type: 4, stream: 0 }, payload));
  }

  #take(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#read, chunk]);
    this.#read = takeFrames(bytes, ({ type, flags, payload }) => this.#frame(type, flags, payload));
  }

  #frame(type: number, flags: number, payload: Buffer): void {
    if (type === 1 || type === 9) {
      this.#block.push(payload);
      if ((flags & 4) === 0) return;
      const block = Buffer.concat(this.#block.splice(0));
      this.responses.push(this.decoder.decode(block, 0, block.length));
    } else if (type === 4 && flags === 1) {
      this.#acknowledged += 1;
      // The first one is for the empty SETTINGS of the begin.
      const size = this.#acknowledged > 1 ? this.#asked.shift() : undefined;
      if (size !== undefined) this.decoder.setMaxTableSize(size);
    } else if (type === 4) {
      for (let at = 0; at < payload.length; at += 6)
        if (payload.readUInt16BE(at) === 1)
          this.encoder.setPeerTableSize(payload.readUInt32BE(at + 2));
      this.socket.write(http2Frame({ type: 4, flags: 1, stream: 0 }));
    } else if (type === 7) {
      this.goaway = payload.readUInt32BE(4);
    }
  }
}

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** A server that answers each request with the next of these, and keeps what it was asked. */
async function serve(answers: readonly (readonly string[])[]): Promise<{
  peer: Peer;
  requests: string[][];
  session: http2.ServerHttp2Session;
}> {
  const server = http2.createServer({ maxDeflateDynamicTableSize: 65_536 });
  const requests: string[][] = [];
  server.on("stream", (stream: http2.ServerHttp2Stream, _headers, _flags, raw: string[]) => {
    const fields = answers[requests.length] ?? [];
    requests.push(raw);
    const headers: http2.OutgoingHttpHeaders = { ":status": 200, date: "-" };
    for (let at = 0; at < fields.length; at += 2) {
      const [name = "", value = ""] = fields.slice(at);
      headers[name] = [...((headers[name] as string[] | undefined) ?? []), value];
    }
    Object.assign(headers, { [http2.sensitiveHeaders]: ["x-secret"] });
    stream.respond(headers, { endStream: true });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const peer = new Peer((server.address() as AddressInfo).port);
  open.push(
    () => server.close(),
    () => peer.socket.destroy(),
  );
  const [session] = (await once(server, "session")) as [http2.ServerHttp2Session];
  return { peer, requests, session };
}

const tableSize = (): number => oneOf(0, 31, 40, 100, 300, 1000, 4096, 16_384, next(5000));

test(`nghttp2 reads what our encoder writes, while it changes its table (seed ${seed})`, async () => {
  const { peer, requests, session } = await serve([]);
  for (let round = 0; round < 30; round++) {
    const sent = Array.from({ length: 1 + next(8) }, someFields);
    const before = requests.length;
    for (const fields of sent) peer.request(fields);
    // Two at once sometimes: what is between them must be told too.
    for (let count = next(3); count > 0; count--)
      session.settings({ headerTableSize: tableSize() });
    for (const fields of sent) peer.request(fields);
    await expect
      .poll(() => [requests.length, peer.goaway], { interval: 1, timeout: 20_000 })
      .toEqual([before + sent.length * 2, undefined]);
    for (const [index, fields] of [...sent, ...sent].entries())
      expect(requests[before + index]?.slice(8)).toEqual(fields);
  }
});

test(`our decoder reads what nghttp2 writes, while we change the table (seed ${seed})`, async () => {
  const answers = Array.from({ length: 300 }, someFields);
  const { peer } = await serve(answers);
  let asked = 0;
  while (asked < answers.length) {
    for (let count = next(3); count > 0; count--) peer.announce(tableSize());
    for (let count = 1 + next(10); count > 0 && asked < answers.length; count--) {
      peer.request([]);
      asked += 1;
    }
    await expect
      .poll(() => [peer.responses.length, peer.goaway], { interval: 1, timeout: 20_000 })
      .toEqual([asked, undefined]);
  }
  for (const [index, block] of peer.responses.entries()) {
    const named = Map.groupBy(pairs(answers[index] ?? []), ([name]) => name);
    // Node sends the values of one name beside each other.
    const expected = [...named.values()].flat(2);
    expect(block.raw.slice(4).join("|")).toBe(expected.join("|"));
  }
});

function pairs(fields: readonly string[]): [name: string, value: string][] {
  return Array.from({ length: fields.length / 2 }, (_, index) => [
    fields[index * 2] ?? "",
    fields[index * 2 + 1] ?? "",
  ]);
}
