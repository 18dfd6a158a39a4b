import { afterEach, describe, expect, test, vi } from "vitest";
import { ErrorCode } from "../../src/http2/error-code.ts";
import { streamBufferBytes, streamWindow } from "../../src/http2/limits.ts";
import {
  connectedPair,
  okHead,
  requestHead,
  Told,
  type Pair,
  type PairOptions,
  until,
} from "./pair.ts";

let pair: Pair | undefined;

async function connect(options?: PairOptions): Promise<Pair> {
  pair = await connectedPair(options);
  return pair;
}

afterEach(async () => {
  await pair?.close();
  pair = undefined;
});

const mebibyte = Buffer.alloc(1024 * 1024, "m");

describe("a call", () => {
  test("carries head, body and trailers both ways", async () => {
    const { client, taken } = await connect();
    const told = new Told();
    const stream = client.open(requestHead("x-name", "value"), told);
    stream.write(Buffer.from("one "));
    stream.end(Buffer.from("two"), ["x-last", "yes"]);
    await until(() => expect(taken[0]?.told.isEnded).toBe(true));
    const request = taken[0];
    expect(request?.head.get("x-name")).toBe("value");
    expect(request?.told.body.toString()).toBe("one two");
    expect(request?.told.trailers?.get("x-last")).toBe("yes");
    request?.stream.sendWhole(okHead, Buffer.from("answer"), ["grpc-status", "0"]);
    await until(() => expect(told.closes).toBe(1));
    expect(told.head?.get(":status")).toBe("200");
    expect(told.body.toString()).toBe("answer");
    expect(told.trailers?.get("grpc-status")).toBe("0");
    expect(told.reset).toBeUndefined();
    expect(client.openStreams).toBe(0);
  });

  test("of 64 MiB each way is carried whole", async () => {
    const { client } = await connect({
      onTaken({ stream, told }) {
        stream.sendHeaders(okHead);
        told.onTold = () => {
          if (told.isEnded && !stream.isEnded) stream.end(told.body);
        };
      },
    });
    const told = new Told();
    const stream = client.open(requestHead(), told);
    for (let index = 0; index < 64; index += 1) stream.write(mebibyte);
    stream.end();
    await until(() => expect(told.closes).toBe(1));
    expect(told.body.length).toBe(64 * mebibyte.length);
    expect(told.reset).toBeUndefined();
  });

  test("with an answer to HEAD may announce a body that does not come", async () => {
    const { client } = await connect({
      onTaken: ({ stream }) => stream.sendHeaders([...okHead, "content-length", "10"], true),
    });
    const told = new Told();
    const head = [":method", "HEAD", ":scheme", "http", ":path", "/", ":authority", "localhost"];
    client.open(head, told, true);
    await until(() => expect(told.closes).toBe(1));
    expect(told.isEnded).toBe(true);
  });

  test.each([
    ["a name in upper case", ["X-Name", "value"]],
    ["a value with a line break", ["x-name", "a\r\nb"]],
    ["a header of the connection", ["connection", "close"]],
  ])("with %s is refused before anything is sent", async (_, fields) => {
    const { client } = await connect();
    expect(() => client.open(requestHead(...fields), new Told())).toThrow(TypeError);
    expect(client.openStreams).toBe(0);
    expect(client.nextStream).toBe(1);
  });

  test("whose trailers cannot be sent can still end with others", async () => {
    const { client } = await connect({
      onTaken({ stream }) {
        expect(() => stream.sendWhole(okHead, Buffer.from("body"), ["x y", "1"])).toThrow(
          TypeError,
        );
        stream.end(undefined, ["grpc-status", "0"]);
      },
    });
    const told = new Told();
    client.request(requestHead(), Buffer.from("?"), told);
    await until(() => expect(told.closes).toBe(1));
    expect(told.body.toString()).toBe("body");
    expect(told.trailers?.get("grpc-status")).toBe("0");
  });
});

describe("a turn of the event loop", () => {
  test("ends in one write for all calls of it", async () => {
    const { client, taken } = await connect();
    const write = vi.spyOn(client.socket, "write");
    for (let index = 0; index < 20; index += 1)
      client.request(requestHead("x-number", String(index)), Buffer.alloc(100), new Told());
    expect(write).not.toHaveBeenCalled();
    await until(() => expect(taken.length).toBe(20));
    expect(write).toHaveBeenCalledTimes(1);
  });

  test("sends a lone call before it ends", async () => {
    const { client } = await connect();
    const order: string[] = [];
    const write = client.socket.write.bind(client.socket);
    vi.spyOn(client.socket, "write").mockImplementation((...args: unknown[]) => {
      order.push("written");
      return Reflect.apply(write, undefined, args) as boolean;
    });
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        client.request(requestHead(), Buffer.alloc(10), new Told());
        // Immediates that are made by one run in the next turn.
        setImmediate(() => {
          order.push("next turn");
          resolve();
        });
      });
    });
    expect(order).toEqual(["written", "next turn"]);
  });
});

describe("pausing", () => {
  test("holds the body and its end, and the sender stops at the window", async () => {
    const { client, taken } = await connect({ onTaken: ({ stream }) => stream.pause() });
    const told = new Told();
    const stream = client.open(requestHead(), told);
    for (let index = 0; index < 3; index += 1) stream.write(mebibyte);
    stream.end();
    await until(() => expect(taken.length).toBe(1));
    const request = taken[0];
    const before = request?.told.body.length;
    await until(() => expect(stream.waiting).toBe(3 * mebibyte.length - streamWindow));
    expect(before).toBe(0);
    expect(request?.told.parts).toEqual([]);
    request?.stream.resume();
    await until(() => expect(request?.told.isEnded).toBe(true));
    expect(request?.told.body.length).toBe(3 * mebibyte.length);
  });

  test("within data holds what follows", async () => {
    const { client, taken } = await connect({
      onTaken({ stream, told }) {
        told.onTold = () => stream.pause();
      },
    });
    const stream = client.open(requestHead(), new Told());
    for (let index = 0; index < 10; index += 1) stream.write(Buffer.from(String(index)));
    stream.end();
    await until(() => expect(taken[0]?.told.body.toString()).toBe("0"));
    for (let index = 1; !taken[0]?.told.isEnded; index += 1) {
      expect(index).toBeLessThan(20);
      taken[0]?.stream.resume();
    }
    expect(taken[0]?.told.body.toString()).toBe("0123456789");
  });

  test("keeps a body of single bytes in little memory, and in order", async () => {
    const { client, taken, server } = await connect({ onTaken: ({ stream }) => stream.pause() });
    const stream = client.open(requestHead(), new Told());
    const body = Buffer.from(Array.from({ length: 15_000 }, (_, index) => index % 251));
    for (const byte of body) stream.write(Buffer.of(byte));
    stream.end();
    await until(() => expect(server.held).toBeGreaterThan(body.length));
    await until(() => {
      taken[0]?.stream.resume();
      expect(taken[0]?.told.isEnded).toBe(true);
    });
    expect(taken[0]?.told.body.equals(body)).toBe(true);
  });

  test("a whole message can be read after its connection has gone", async () => {
    const { client, server } = await connect({
      onTaken: ({ stream }) => stream.sendWhole(okHead, Buffer.from("kept"), ["grpc-status", "0"]),
    });
    const told = new Told();
    const stream = client.open(requestHead(), told);
    stream.pause();
    await until(() => expect(stream.isReceived).toBe(true));
    server.destroy();
    await until(() => expect(client.isClosed).toBe(true));
    expect(told.closes).toBe(0);
    stream.resume();
    expect(told.body.toString()).toBe("kept");
    expect(told.isEnded).toBe(true);
    expect(told.reset?.by).toBe("connection");
  });
});

describe("draining", () => {
  test("tells a writer to wait, and once when there is room again", async () => {
    const { client, taken } = await connect({ onTaken: ({ stream }) => stream.pause() });
    const told = new Told();
    const stream = client.open(requestHead(), told);
    expect(stream.write(Buffer.alloc(streamBufferBytes - 1))).toBe(true);
    while (stream.write(Buffer.alloc(16 * 1024)))
      expect(stream.waiting).toBeLessThan(streamBufferBytes);
    expect(stream.waiting).toBeGreaterThanOrEqual(streamBufferBytes);
    await until(() => expect(taken.length).toBe(1));
    // Beyond the window nothing leaves before the other side reads.
    while (stream.waiting < streamWindow * 2) stream.write(mebibyte);
    const { drains } = told;
    taken[0]?.stream.resume();
    await until(() => expect(told.drains).toBe(drains + 1));
    expect(stream.waiting).toBe(0);
  });

  test("streams take turns: a small one is not behind a large one", async () => {
    const { client } = await connect();
    const order: string[] = [];
    const large = new Told();
    const small = new Told();
    large.onTold = () => large.closes > 0 && order.push("large");
    small.onTold = () => small.closes > 0 && order.push("small");
    const { taken } = pair as Pair;
    client.open(requestHead(), large, true);
    client.open(requestHead(), small, true);
    await until(() => expect(taken.length).toBe(2));
    taken[0]?.stream.sendWhole(okHead, Buffer.alloc(8 * 1024 * 1024));
    taken[1]?.stream.sendWhole(okHead, Buffer.alloc(1024));
    await until(() => expect(order.length).toBe(2));
    expect(order).toEqual(["small", "large"]);
  });
});

describe("aborting", () => {
  test("tells both sides once, and drops what waits", async () => {
    const { client, taken } = await connect({ onTaken: ({ stream }) => stream.pause() });
    const told = new Told();
    const stream = client.open(requestHead(), told);
    for (let index = 0; index < 4; index += 1) stream.write(mebibyte);
    await until(() => expect(taken.length).toBe(1));
    stream.reset(ErrorCode.cancel);
    expect(told.closes).toBe(1);
    expect(told.reset).toMatchObject({ code: ErrorCode.cancel, by: "local" });
    expect(stream.waiting).toBe(0);
    await until(() => expect(taken[0]?.told.closes).toBe(1));
    expect(taken[0]?.told.reset).toMatchObject({ code: ErrorCode.cancel, by: "peer" });
    expect(taken[0]?.told.isEnded).toBe(false);
    stream.reset(ErrorCode.cancel);
    expect(told.closes).toBe(1);
  });

  test("an answer before the end of the request reaches the caller before the reset", async () => {
    const { client } = await connect({
      onTaken({ stream }) {
        stream.sendHeaders(okHead);
        stream.endEarly(Buffer.from("enough"), ["grpc-status", "0"]);
      },
    });
    const told = new Told();
    client.open(requestHead(), told);
    await until(() => expect(told.closes).toBe(1));
    expect(told.body.toString()).toBe("enough");
    expect(told.isEnded).toBe(true);
    expect(told.reset).toMatchObject({ code: ErrorCode.noError, by: "peer" });
  });

  test("a stream that was refused is told as not processed", async () => {
    const { client } = await connect({
      onTaken: ({ stream }) => stream.reset(ErrorCode.refusedStream),
    });
    const told = new Told();
    client.open(requestHead(), told, true);
    await until(() => expect(told.closes).toBe(1));
    expect(told.reset?.isUnprocessed).toBe(true);
  });

  test("a stream counts until its work has ended", async () => {
    const { client, server, taken } = await connect({ onTaken: ({ stream }) => stream.retain() });
    const stream = client.open(requestHead(), new Told());
    await until(() => expect(taken.length).toBe(1));
    stream.reset(ErrorCode.cancel);
    await until(() => expect(taken[0]?.told.closes).toBe(1));
    expect(server.openStreams).toBe(1);
    taken[0]?.stream.release();
    expect(server.openStreams).toBe(0);
  });

  test("what a listener throws ends its stream alone", async () => {
    const { client, taken } = await connect({
      onTaken({ told, head }) {
        told.onTold = () => {
          if (head.get("x-bad") !== undefined && told.closes === 0) throw new Error("a fault");
        };
      },
    });
    const bad = new Told();
    const good = new Told();
    client.request(requestHead("x-bad", "1"), Buffer.from("1"), bad);
    client.request(requestHead(), Buffer.from("2"), good);
    await until(() => expect(bad.closes).toBe(1));
    expect(bad.reset?.code).toBe(ErrorCode.internalError);
    taken[1]?.stream.sendWhole(okHead, Buffer.from("fine"));
    await until(() => expect(good.closes).toBe(1));
    expect(good.reset).toBeUndefined();
  });
});
