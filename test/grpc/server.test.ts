import http2, { type ClientHttp2Session, type OutgoingHttpHeaders } from "node:http2";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CallContext, UnaryMethod } from "../../src/grpc/method.ts";
import { GrpcFailure } from "../../src/grpc/status.ts";
import { serveMethods, type ServedMethods } from "./grpc-server.ts";
import { call as callOn, connect, frame, open as openOn, type Answer } from "./raw-client.ts";

const limit = 1024;
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

let served: ServedMethods;
let session: ClientHttp2Session;
let lastCall: CallContext | undefined;
/** Resolves with the reason why the signal of a call of `/test/Wait` was aborted. */
let aborted: PromiseWithResolvers<unknown>;
let waiting: PromiseWithResolvers<void>;
let refused: GrpcFailure | undefined;

const methods: Record<string, UnaryMethod> = {
  "/test/Echo": async (message: Uint8Array, context: CallContext) => {
    lastCall = context;
    return message;
  },
  "/test/Headers": async (message: Uint8Array, context: CallContext) => {
    context.setHeaders({ "metadata.a": "1", "metadata.b": ["x", "y"] });
    context.setTrailers({ "after-bin": "AAE" });
    return message;
  },
  "/test/Big": async () => Buffer.alloc(limit + 1),
  "/test/Fail": async (_, context) => {
    context.setHeaders({ "metadata.statuscode": "404" });
    throw new GrpcFailure(5, "not here: 100% \n gone ü", Buffer.from([0xfb, 0xff, 1]), {
      "beside-the-status": "yes",
    });
  },
  "/test/BadHeaders": async (message, context) => {
    context.setHeaders({ connection: "keep-alive" });
    return message;
  },
  "/test/BadTrailers": async (message, context) => {
    context.setTrailers({ connection: "keep-alive" });
    return message;
  },
  "/test/Throw": async () => {
    throw new TypeError("unforeseen");
  },
  "/test/Wait": async (message: Uint8Array, context: CallContext) => {
    const { signal } = context;
    waiting.resolve();
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => {
        aborted.resolve(signal.reason);
        resolve();
      });
    });
    return message;
  },
};

beforeAll(async () => {
  served = await serveMethods(
    { unary: methods },
    {
      maxMessageSize: limit,
      mostHeld: 4 * 1024 * 1024,
      admit: () => {
        if (refused !== undefined) throw refused;
      },
    },
  );
  session = connect(served.port);
});
afterAll(async () => {
  session.destroy();
  await served[Symbol.asyncDispose]();
});
beforeEach(() => {
  aborted = Promise.withResolvers();
  waiting = Promise.withResolvers();
  refused = undefined;
});

function open(path: string, headers?: OutgoingHttpHeaders) {
  return openOn(session, path, headers);
}

function call(path: string, body: Uint8Array, headers?: OutgoingHttpHeaders): Promise<Answer> {
  return callOn(session, path, body, headers);
}

describe("answers", () => {
  test("all byte values come back, with headers first and the status in the trailers", async () => {
    const answer = await call("/test/Echo", frame(everyByte));
    expect(answer.headers).toMatchObject({ ":status": 200, "content-type": "application/grpc" });
    expect(answer.headers["grpc-status"]).toBeUndefined();
    expect(answer.trailers).toMatchObject({ "grpc-status": "0", "grpc-message": "" });
    expect(answer.body).toEqual(frame(everyByte));
  });

  test("an empty message is a message", async () => {
    expect((await call("/test/Echo", frame(Buffer.alloc(0)))).body).toEqual(frame(Buffer.alloc(0)));
  });

  test("a message may come in any pieces", async () => {
    const { stream, answer } = open("/test/Echo");
    for (const byte of frame(everyByte)) {
      stream.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    stream.end();
    expect((await answer).body).toEqual(frame(everyByte));
  });

  test("a method's headers go out, repeated ones too", async () => {
    const answer = await call("/test/Headers", frame(everyByte));
    expect(answer.headers["metadata.a"]).toBe("1");
    expect(answer.headers["metadata.b"]).toBe("x, y");
    expect(answer.trailers).toMatchObject({ "grpc-status": "0", "after-bin": "AAE" });
  });

  test("content types other than gRPC's binary one, other methods and paths are somebody else's", async () => {
    for (const headers of [
      { "content-type": "application/grpc+json" },
      { "content-type": "application/grpc-web" },
      { "content-type": "application/json" },
      { ":method": "PUT" },
      { ":path": "/test/Unknown" },
    ]) {
      expect((await call("/test/Echo", frame(everyByte), headers)).headers[":status"]).toBe(418);
    }
    const proto = { "content-type": "application/grpc+proto" };
    expect((await call("/test/Echo", frame(everyByte), proto)).status).toBe(0);
  });
});

describe("failures", () => {
  test("code, message and details; headers go first, apart from the trailers", async () => {
    const answer = await call("/test/Fail", frame(everyByte));
    expect(answer.headers).toMatchObject({ ":status": 200, "metadata.statuscode": "404" });
    expect(answer.headers["grpc-status"]).toBeUndefined();
    expect(answer.trailers["metadata.statuscode"]).toBeUndefined();
    expect(answer.trailers["grpc-status"]).toBe("5");
    expect(answer.trailers["grpc-message"]).toBe("not here: 100%25 %0A gone %C3%BC");
    expect(answer.text).toBe("not here: 100% \n gone ü");
    expect(answer.trailers["grpc-status-details-bin"]).toBe("+/8B");
    expect(answer.trailers["beside-the-status"]).toBe("yes");
  });

  test("metadata that HTTP/2 does not take costs the call, or only itself, and never the process", async () => {
    expect((await call("/test/BadHeaders", frame(everyByte))).status).toBe(2);
    const answer = await call("/test/BadTrailers", frame(everyByte));
    expect(answer.status).toBe(0);
    expect(answer.trailers["connection"]).toBeUndefined();
  });

  test("anything else thrown is UNKNOWN", async () => {
    const answer = await call("/test/Throw", frame(everyByte));
    expect(answer.status).toBe(2);
    expect(answer.text).toContain("unforeseen");
  });

  test("a refused call is answered before its body is there", async () => {
    refused = new GrpcFailure(16, "Unauthorized");
    const { stream, answer } = open("/test/Echo");
    stream.write(frame(everyByte).subarray(0, 3));
    expect((await answer).status).toBe(16);
    refused = undefined;
    expect((await call("/test/Echo", frame(everyByte))).status).toBe(0);
  });

  test.each([
    ["no message", Buffer.alloc(0), 12],
    ["half a prefix", Buffer.from([0, 0, 0]), 13],
    ["half a message", frame(everyByte).subarray(0, 100), 13],
    ["two messages", Buffer.concat([frame(everyByte), frame(everyByte)]), 12],
  ])("%s", async (_, body, code) => {
    expect((await call("/test/Echo", body)).status).toBe(code);
  });
});

describe("limits", () => {
  test("a message of the limit passes, one byte more is RESOURCE_EXHAUSTED, in grpc-go's words", async () => {
    expect((await call("/test/Echo", frame(Buffer.alloc(limit)))).status).toBe(0);
    const answer = await call("/test/Echo", frame(Buffer.alloc(limit + 1)));
    expect(answer.status).toBe(8);
    expect(answer.text).toBe("grpc: received message larger than max (1025 vs. 1024)");
  });

  test("far too large is refused while it is still being sent, and the session lives", async () => {
    const { stream, answer } = open("/test/Echo");
    const huge = Buffer.alloc(64 * 1024);
    stream.write(frame(huge).subarray(0, 5));
    const pump = (): void => {
      while (!stream.destroyed && !stream.writableEnded && stream.write(huge));
    };
    stream.on("drain", pump);
    pump();
    const { status, text } = await answer;
    expect(status).toBe(8);
    expect(text).toContain(`(${huge.length} vs. ${limit})`);
    expect((await call("/test/Echo", frame(everyByte))).status).toBe(0);
  });

  test("while too much is held, new calls are refused unprocessed, and none is once it is settled", async () => {
    const held = Array.from({ length: 1000 }, () => open("/test/Wait"));
    const answers = held.map(({ answer }) => answer.catch(() => undefined));
    for (const { stream } of held) stream.end(frame(Buffer.alloc(1000)));
    const one = async (): Promise<number> => {
      const { stream, answer } = open("/test/Echo");
      stream.end(frame(everyByte));
      return answer.then(
        ({ status }) => status,
        () => -(stream.rstCode ?? 0),
      );
    };
    await expect.poll(one).toBe(-http2.constants.NGHTTP2_REFUSED_STREAM);
    expect(served.memory.used).toBeLessThanOrEqual(served.memory.limit + 64 * 1024);
    for (const { stream } of held) stream.close(http2.constants.NGHTTP2_CANCEL);
    await Promise.all(answers);
    await expect.poll(one).toBe(0);
  });

  test("a message that there is no room for is UNAVAILABLE, and its call gives back what it held", async () => {
    const { memory } = served;
    expect((await call("/test/Echo", frame(everyByte))).status).toBe(0);
    const before = memory.used;
    const { stream, answer } = open("/test/Wait");
    stream.write(frame(everyByte).subarray(0, 1));
    await expect.poll(() => memory.used).toBeGreaterThan(before + 4096);
    // Room for a call, but not for its message.
    const taken = memory.limit - memory.used - (memory.used - before) - 500;
    expect(memory.reserve(taken)).toBe(true);
    try {
      const refused = await call("/test/Echo", frame(Buffer.alloc(1000)));
      expect(refused).toMatchObject({
        status: 14,
        text: expect.stringContaining("too many bytes"),
      });
    } finally {
      memory.release(taken);
    }
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await answer.catch(() => undefined);
    await expect.poll(() => memory.used).toBe(before);
  });

  test("answers are bound by it too", async () => {
    const answer = await call("/test/Big", frame(everyByte));
    expect(answer.status).toBe(8);
    expect(answer.text).toBe("grpc: trying to send message larger than max (1025 vs. 1024)");
  });
});

describe("compression", () => {
  test("gzip requests are read", async () => {
    const answer = await call("/test/Echo", frame(gzipSync(everyByte), 1), {
      "grpc-encoding": "gzip",
    });
    expect(answer.body).toEqual(frame(everyByte));
  });

  test("a bomb is RESOURCE_EXHAUSTED", async () => {
    const bomb = gzipSync(Buffer.alloc(500_000));
    expect(bomb.length).toBeLessThan(limit);
    expect((await call("/test/Echo", frame(bomb, 1), { "grpc-encoding": "gzip" })).status).toBe(8);
  });

  test("what is no gzip, an unknown encoding, and none", async () => {
    const broken = await call("/test/Echo", frame(everyByte, 1), { "grpc-encoding": "gzip" });
    expect(broken.status).toBe(13);
    const unknown = await call("/test/Echo", frame(everyByte, 1), { "grpc-encoding": "snappy" });
    expect(unknown.status).toBe(12);
    expect(unknown.headers["grpc-accept-encoding"]).toBe("identity,gzip");
    expect((await call("/test/Echo", frame(everyByte, 1))).status).toBe(13);
  });
});

describe("deadlines and cancellation", () => {
  test("a deadline that passes is answered, and aborts the call", async () => {
    const answer = await call("/test/Wait", frame(everyByte), { "grpc-timeout": "20m" });
    expect(answer.status).toBe(4);
    await expect(aborted.promise).resolves.toBeInstanceOf(Error);
  });

  test("one that is long, or longer than a timer can be, does not disturb", async () => {
    for (const timeout of ["10S", "99999999H", "2998232u"]) {
      expect((await call("/test/Echo", frame(everyByte), { "grpc-timeout": timeout })).status).toBe(
        0,
      );
    }
  });

  test("one that is none is refused", async () => {
    for (const timeout of ["", "5", "S", "-1S", "123456789S", "1x"]) {
      expect((await call("/test/Echo", frame(everyByte), { "grpc-timeout": timeout })).status).toBe(
        3,
      );
    }
  });

  test("a caller's cancellation aborts the call", async () => {
    const { stream, answer } = open("/test/Wait");
    stream.end(frame(everyByte));
    await waiting.promise;
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await expect(aborted.promise).resolves.toBeInstanceOf(Error);
    await answer.catch(() => undefined);
  });

  test("a caller whose connection breaks aborts the call", async () => {
    const own = connect(served.port);
    const stream = own.request({
      ":method": "POST",
      ":path": "/test/Wait",
      "content-type": "application/grpc",
    });
    stream.on("error", () => undefined);
    stream.end(frame(everyByte));
    await waiting.promise;
    own.destroy();
    await expect(aborted.promise).resolves.toBeInstanceOf(Error);
  });

  test("a signal asked for only after the call was over is aborted", async () => {
    await call("/test/Echo", frame(everyByte));
    expect(lastCall?.signal.aborted).toBe(true);
  });
});

test("hundreds at a time on one connection", async () => {
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, index) =>
      call("/test/Echo", frame(Buffer.from(`message ${index}`))),
    ),
  );
  for (const [index, answer] of answers.entries())
    expect(answer.body.subarray(5).toString()).toBe(`message ${index}`);
});
