import { constants, type ServerHttp2Stream } from "node:http2";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { CallFailure, GrpcStream } from "../../src/grpc/client.ts";
import { FrameReader } from "../../src/grpc/frame-reader.ts";
import { connectClient, readyClient, untilReady } from "./connect-client.ts";
import { framed, startHttp2Server, type RawServer } from "./http2-server.ts";

const path = "/test.Service/Stream";

/** A server that leaves everything after the headers to the test. */
function serve(
  handle: (stream: ServerHttp2Stream) => void,
  options: Parameters<typeof startHttp2Server>[1] = {},
): Promise<RawServer> {
  return startHttp2Server(() => {}, {
    ...options,
    onStream(stream) {
      handle(stream);
      return true;
    },
  });
}

function respond(stream: ServerHttp2Stream, extra: Record<string, string | string[]> = {}): void {
  stream.respond(
    { ":status": 200, "content-type": "application/grpc", ...extra },
    { waitForTrailers: true },
  );
}

function finish(stream: ServerHttp2Stream, trailers: Record<string, string | string[]> = {}): void {
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", ...trailers }));
  stream.end();
}

/** Answers each message with itself as soon as it is whole, and ends after the last. */
function echo(stream: ServerHttp2Stream): void {
  const reader = new FrameReader(64 * 1024 * 1024);
  respond(stream);
  stream.on("data", (chunk: Buffer) => {
    reader.push(chunk, ({ message }) => stream.write(framed(message)));
  });
  stream.on("end", () => finish(stream));
}

async function* texts(...values: string[]): AsyncGenerator<Uint8Array> {
  for (const value of values) yield Buffer.from(value);
}

async function* never(): AsyncGenerator<Uint8Array> {
  await new Promise(() => {});
}

async function textsOf(call: GrpcStream): Promise<string[]> {
  const received: string[] = [];
  for await (const message of call.messages) received.push(Buffer.from(message).toString());
  return received;
}

async function failureOf(call: GrpcStream): Promise<CallFailure> {
  return (await textsOf(call).then(
    () => expect.fail("the call ended well"),
    (error: unknown) => error,
  )) as CallFailure;
}

test("carries messages both ways and ends with the server's OK", async () => {
  await using server = await serve(echo);
  const client = await readyClient(server.port);
  const call = client.stream(path, texts("a", "", "ccc"));
  expect(await textsOf(call)).toEqual(["a", "", "ccc"]);
  expect(await call.headers).toMatchObject({ ":status": 200 });
  expect(call.trailers).toMatchObject({ "grpc-status": "0" });
});
