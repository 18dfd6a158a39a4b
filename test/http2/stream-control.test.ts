import { once } from "node:events";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { Http2Listener } from "../../src/grpc/http2-listener.ts";
import { ErrorCode } from "../../src/http2/error-code.ts";
import type { HeaderBlock } from "../../src/http2/header-block.ts";
import type { Http2Stream, StreamListener, StreamReset } from "../../src/http2/stream.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";
import { until } from "../until.ts";

// What a stream promises to who pauses it, waits for it to drain, or aborts it. The peer is Node's own HTTP/2.

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
/** What one stream may send before it is read. */
const window = mebibyte;
/** `write` answers false from here on. */
const highWater = 64 * kibibyte;
const head = [":status", "200"];

/** Notes all that it is told, in order. */
class Told implements StreamListener {
  readonly stream: Http2Stream;
  readonly events: string[] = [];
  bytes = 0;
  isEnded = false;
  drains = 0;
  reset: StreamReset | undefined;
  isClosed = false;
  onData: (part: Buffer) => void = () => {};
  onDrained: () => void = () => {};

  constructor(stream: Http2Stream) {
    this.stream = stream;
  }

  data(part: Buffer): void {
    if (this.events.at(-1) !== "data") this.events.push("data");
    this.bytes += part.length;
    this.onData(part);
  }

  ended(trailers: HeaderBlock | undefined): void {
    this.events.push(`ended ${JSON.stringify(trailers?.record ?? null)}`);
    this.isEnded = true;
  }

  drained(): void {
    this.events.push("drained");
    this.drains += 1;
    this.onDrained();
  }

  closed(reset: StreamReset | undefined): void {
    this.events.push("closed");
    this.reset = reset;
    this.isClosed = true;
  }
}

/** Serves streams; `begin` is called with each when it begins. */
async function serve(begin: (told: Told, path: string) => void = () => {}) {
  const budget = new MemoryBudget();
  const memory = budget.share("test");
  const streams: Told[] = [];
  const listener = new Http2Listener({
    memory,
    onStream(stream, block) {
      const told = new Told(stream);
      streams.push(told);
      begin(told, block.get(":path") ?? "");
      return told;
    },
  });
  listener.server.listen(0, "127.0.0.1");
  await once(listener.server, "listening");
  const { port } = listener.server.address() as AddressInfo;
  onTestFinished(async () => {
    listener.destroyConnections();
    await listener.stop();
    expect(memory.used).toBe(0);
  });
  const session = (windowBytes = 65_535): ClientHttp2Session => {
    const made = http2.connect(`http://127.0.0.1:${port}`, {
      settings: { initialWindowSize: windowBytes, enablePush: false },
    });
    made.on("error", () => {});
    onTestFinished(() => made.destroy());
    return made;
  };
  const first = async (): Promise<Told> => {
    await until(() => streams.length > 0, { what: "the stream" });
    return streams[0]!;
  };
  return { listener, memory, streams, session, first };
}

function request(session: ClientHttp2Session, path = "/"): ClientHttp2Stream {
  const stream = session.request({ ":method": "POST", ":path": path });
  stream.on("error", () => {});
  return stream;
}

/** A reset is an error to Node, and closes the stream too. */
function closeOf(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => void stream.once("close", resolve));
}

/** Round trips on the same connection: what was sent before has been read by then. */
async function roundTrip(session: ClientHttp2Session): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    session.ping((error) => (error === null ? resolve() : reject(error)));
  });
}

/** Answers at once, for others that go on meanwhile. */
function answerPing(told: Told): void {
  told.stream.sendHeaders(head, true);
}

describe("pause", () => {
  test("what comes is held up to the window and counted, the end waits too, and resume tells it in order", async () => {
    const served = await serve((told, path) => {
      if (path === "/ping") answerPing(told);
      else told.stream.pause();
    });
    const session = served.session();
    const sent = Buffer.alloc(3 * mebibyte);
    for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
    const stream = request(session);
    stream.end(sent);
    const told = await served.first();
    await until(() => served.memory.used >= window, { what: "the window to be full" });
    await roundTrip(session);
    expect(served.memory.used).toBeLessThan(window + 256 * kibibyte);
    expect(told.events).toEqual([]);
    // Nobody else is held up.
    const [headers] = (await once(request(session, "/ping").end(), "response")) as [object];
    expect(headers).toMatchObject({ ":status": 200 });
    const parts: Buffer[] = [];
    told.onData = (part) => parts.push(Buffer.from(part));
    told.stream.resume();
    await until(() => told.isEnded, { what: "the end" });
    expect(told.events).toEqual(["data", "ended null"]);
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
    told.stream.sendHeaders(head, true);
    await until(() => told.isClosed, { what: "the stream to close" });
    expect(told.reset).toBeUndefined();
  });

  test("within a part: no further part is told until it is resumed, and that may be within one too", async () => {
    const served = await serve((told) => {
      told.onData = () => {
        if (told.stream.isPaused) throw new Error("a part of a paused stream");
        told.stream.pause();
        if (told.bytes % 2 === 0) told.stream.resume();
        else setImmediate(() => told.stream.resume());
      };
    });
    const stream = request(served.session());
    const sent = 700_001;
    stream.end(Buffer.alloc(sent));
    const told = await served.first();
    await until(() => told.isEnded, { what: "the end" });
    expect(told.bytes).toBe(sent);
    told.stream.sendHeaders(head, true);
  });

  test("an end without a body waits, and its trailers come with it", async () => {
    const served = await serve((told) => told.stream.pause());
    const session = served.session();
    const stream = session.request({ ":method": "POST", ":path": "/" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "7" }));
    stream.end("body");
    const told = await served.first();
    await until(() => told.stream.isReceived, { what: "the whole message" });
    await roundTrip(session);
    expect(told.events).toEqual([]);
    told.stream.resume();
    expect(told.events).toEqual(["data", 'ended {"x-sum":"7"}']);
    told.stream.sendHeaders(head, true);
    await until(() => told.isClosed, { what: "the stream to close" });
  });

  test("a stream that is answered while it is paused ends, and what it held is let go", async () => {
    const served = await serve((told) => told.stream.pause());
    const stream = request(served.session());
    let status = 0;
    stream.on("response", (headers) => (status = Number(headers[":status"])));
    stream.write(Buffer.alloc(100_000));
    const told = await served.first();
    await until(() => served.memory.used >= 100_000, { what: "the body" });
    told.stream.sendHeaders(head, true);
    told.stream.endEarly();
    await closeOf(stream);
    expect(status).toBe(200);
    expect(told.events).toEqual(["closed"]);
  });
});

describe("drain", () => {
  test("write answers false from 64 KiB on, and drained is told once there is room again", async () => {
    const served = await serve();
    const session = served.session(2 * highWater);
    const stream = request(session);
    stream.end();
    stream.pause();
    const told = await served.first();
    told.stream.sendHeaders(head);
    const part = Buffer.alloc(highWater / 2);
    // The window takes these.
    for (let count = 0; count < 4; count++) {
      expect(told.stream.write(part)).toBe(true);
      await roundTrip(session);
    }
    await until(() => told.stream.waiting === 0, { what: "the window to take four" });
    expect(told.stream.write(part)).toBe(true);
    expect(told.stream.waiting).toBe(part.length);
    expect(told.stream.write(part)).toBe(false);
    expect(told.stream.waiting).toBe(highWater);
    await roundTrip(session);
    expect(told.drains).toBe(0);
    expect(served.memory.used).toBeGreaterThanOrEqual(highWater);
    stream.resume();
    await until(() => told.drains === 1, { what: "it to drain" });
    expect(told.stream.write(part)).toBe(true);
    await roundTrip(session);
    expect(told.drains).toBe(1);
    told.stream.end();
    await until(() => told.isClosed, { what: "the stream to close" });
  });

  test("who writes whenever there is room gets everything out, in order, and holds little", async () => {
    const served = await serve();
    const session = served.session();
    const stream = request(session);
    stream.end();
    const told = await served.first();
    told.stream.sendHeaders(head);
    const parts = 400;
    let written = 0;
    let most = 0;
    const go = (): void => {
      while (written < parts) {
        const part = Buffer.alloc(10_000, written++);
        const hasRoom = told.stream.write(part);
        most = Math.max(most, told.stream.waiting);
        if (!hasRoom) return;
      }
      told.stream.end(Buffer.from("last"), ["x-sum", "7"]);
    };
    told.onDrained = go;
    let trailers: unknown;
    stream.on("trailers", (received) => (trailers = received));
    const received: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => received.push(chunk));
    go();
    await closeOf(stream);
    const body = Buffer.concat(received);
    expect(body).toHaveLength(parts * 10_000 + 4);
    for (let index = 0; index < parts; index++)
      expect(body[index * 10_000 + 9999]).toBe(index % 256);
    expect(body.toString("latin1", body.length - 4)).toBe("last");
    expect(trailers).toMatchObject({ "x-sum": "7" });
    expect(most).toBeLessThan(highWater + 10_000);
    expect(told.drains).toBeGreaterThan(10);
    await until(() => told.isClosed, { what: "the stream to close" });
  });

  test("nothing is written to a stream that has ended", async () => {
    const served = await serve();
    const session = served.session();
    const stream = request(session);
    const told = await served.first();
    told.stream.sendHeaders(head);
    told.stream.end(Buffer.from("all"));
    expect(told.stream.write(Buffer.alloc(highWater * 2))).toBe(true);
    told.stream.end(Buffer.from("more"));
    expect(told.stream.waiting).toBe(0);
    let body = "";
    stream.on("data", (chunk: Buffer) => (body += chunk.toString()));
    stream.end();
    await closeOf(stream);
    expect(body).toBe("all");
    expect(told.stream.write(Buffer.alloc(1))).toBe(true);
  });
});

describe("abort", () => {
  test("by the peer: told at once though it is paused, and nothing after that", async () => {
    const served = await serve((told) => told.stream.pause());
    const session = served.session();
    const stream = request(session);
    stream.write(Buffer.alloc(200_000));
    const told = await served.first();
    await until(() => served.memory.used >= 200_000, { what: "the body" });
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await until(() => told.isClosed, { what: "the abort" });
    expect(told.reset).toMatchObject({ code: ErrorCode.cancel, by: "peer", isUnprocessed: false });
    told.stream.resume();
    await roundTrip(session);
    expect(told.events).toEqual(["closed"]);
  });

  test("by the peer, of an answer that waits: what waits is dropped", async () => {
    const served = await serve();
    const session = served.session();
    const stream = request(session);
    stream.end();
    stream.pause();
    const told = await served.first();
    told.stream.sendHeaders(head);
    expect(told.stream.write(Buffer.alloc(mebibyte))).toBe(false);
    expect(served.memory.used).toBeGreaterThan(mebibyte / 2);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await until(() => told.isClosed, { what: "the abort" });
    expect(told.stream.waiting).toBe(0);
    expect(served.memory.used).toBeLessThan(64 * kibibyte);
    expect(told.events).toEqual(["ended null", "closed"]);
  });

  test("by us: told before reset returns, and the peer gets the code", async () => {
    const served = await serve();
    const session = served.session();
    const stream = request(session);
    stream.write("x");
    const told = await served.first();
    await until(() => told.bytes === 1, { what: "the body" });
    told.stream.sendHeaders(head);
    told.stream.write(Buffer.alloc(mebibyte));
    told.stream.reset(ErrorCode.enhanceYourCalm);
    expect(told.reset).toMatchObject({ code: ErrorCode.enhanceYourCalm, by: "local" });
    expect(told.stream.waiting).toBe(0);
    told.stream.reset(ErrorCode.cancel);
    await closeOf(stream);
    expect(stream.rstCode).toBe(ErrorCode.enhanceYourCalm);
    expect(told.events).toEqual(["data", "closed"]);
  });

  test("by us within a part, and within the end", async () => {
    const served = await serve((told, path) => {
      told.onData = () => told.stream.reset(ErrorCode.cancel);
      if (path === "/end") told.ended = () => told.stream.reset(ErrorCode.refusedStream);
    });
    const session = served.session();
    const streams = [request(session), request(session, "/end")];
    streams[0]?.write(Buffer.alloc(100_000));
    streams[1]?.end();
    await Promise.all(streams.map((stream) => closeOf(stream)));
    expect(streams.map(({ rstCode }) => rstCode)).toEqual([
      ErrorCode.cancel,
      ErrorCode.refusedStream,
    ]);
    expect(served.streams.map(({ events }) => events)).toEqual([["data", "closed"], ["closed"]]);
    await roundTrip(session);
  });

  test("with its connection: every stream is told", async () => {
    const served = await serve((told, path) => {
      if (path === "/paused") told.stream.pause();
    });
    const session = served.session();
    for (const path of ["/", "/paused"]) request(session, path).write(Buffer.alloc(1000));
    await until(() => served.streams.length === 2, { what: "both" });
    await roundTrip(session);
    session.destroy();
    await until(() => served.streams.every(({ isClosed }) => isClosed), { what: "both to end" });
    for (const { reset } of served.streams) expect(reset).toMatchObject({ by: "connection" });
  });

  test("an early end leaves the answer whole, however long it takes to get out", async () => {
    const served = await serve();
    const session = served.session();
    const stream = request(session);
    stream.write(Buffer.alloc(10));
    const told = await served.first();
    told.stream.sendHeaders(head);
    told.stream.endEarly(Buffer.alloc(mebibyte, 7), ["x-sum", "7"]);
    stream.write(Buffer.alloc(10));
    let trailers: unknown;
    let bytes = 0;
    stream.on("trailers", (received) => (trailers = received));
    stream.on("data", (chunk: Buffer) => (bytes += chunk.length));
    await closeOf(stream);
    expect(bytes).toBe(mebibyte);
    expect(trailers).toMatchObject({ "x-sum": "7" });
    expect(stream.rstCode).toBe(ErrorCode.noError);
    await until(() => told.isClosed, { what: "the stream to close" });
  });

  test("a stream whose work goes on counts until that is released", async () => {
    const most = 4096;
    const served = await serve((told) => told.stream.retain());
    const session = served.session();
    await once(session, "remoteSettings");
    for (let batch = 0; batch < most; batch += 512) {
      const streams = Array.from({ length: 512 }, () => request(session));
      for (const stream of streams) stream.write("x");
      await until(() => served.streams.length === batch + 512, { what: "all of them" });
      for (const stream of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
      await Promise.all(streams.map((stream) => closeOf(stream)));
    }
    await until(() => served.streams.every(({ isClosed }) => isClosed), { what: "all to end" });
    const refused = request(session);
    refused.end();
    await closeOf(refused);
    expect(refused.rstCode).toBe(ErrorCode.refusedStream);
    expect(served.streams).toHaveLength(most);
    served.streams[7]?.stream.release();
    const taken = request(session);
    taken.end();
    await until(() => served.streams.length === most + 1, { what: "one more" });
  });
});
