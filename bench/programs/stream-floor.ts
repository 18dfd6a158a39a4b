// What a payload in parts costs at the least: InvokeBindingStream's messages decoded and encoded straight on node:http2,
// and the system's driver given, or asked for, the bytes as they come. One invocation a stream. Arguments: PORT WORK ADDRESS.
import { once } from "node:events";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AnswerChunkSchema,
  InvokeBindingStreamRequestSchema,
  InvokeBindingStreamResponseSchema,
} from "../../gen/cufflink/v1/bindings_pb.ts";
import { getInParts, openAws, putInParts } from "../load/clouds-floor.ts";
import type { SftpAddress } from "../rows/sftp-create.ts";
import { FrameSplitter } from "../wire/frames.ts";
import { grpcFrame } from "../wire/grpc.ts";

/** Takes the payload; resolves to the answer. */
type Work = (payload: AsyncIterable<Buffer>) => Promise<AsyncIterable<Buffer>>;

const head = { ":status": 200, "content-type": "application/grpc" } as const;
const [port, kind = "", address = ""] = process.argv.slice(2);
const makers: Record<string, () => Promise<Work>> = { sftp, "s3-put": s3Put, "s3-get": s3Get };
const work = await makers[kind]!();

async function sftp(): Promise<Work> {
  const { Client } = await import("ssh2");
  const { host, port: sshPort, username, privateKey } = JSON.parse(address) as SftpAddress;
  const client = new Client();
  client.connect({ host, port: sshPort, username, privateKey });
  await once(client, "ready");
  const session = await promisify(client.sftp.bind(client))();
  return async (payload) => {
    await pipeline(payload, session.createWriteStream("floor"));
    return Readable.from([]);
  };
}

async function s3Put(): Promise<Work> {
  const send = await openAws("s3", address);
  return async (payload) => {
    await putInParts(send, "/bucket/large", payload);
    return Readable.from([]);
  };
}

async function s3Get(): Promise<Work> {
  const send = await openAws("s3", address);
  return async (payload) => {
    for await (const none of payload) void none;
    return getInParts(send, `/bucket/large-${64 << 20}`);
  };
}

const server = createServer({ settings: { initialWindowSize: 1 << 20 } });
server.on("session", (session) => session.setLocalWindowSize(16 << 20));
server.on("stream", (stream: ServerHttp2Stream) => {
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.respond(head, { waitForTrailers: true });
  answer(stream).catch((error: unknown) => stream.destroy(error as Error));
});
server.listen(Number(port), "127.0.0.1");

async function answer(stream: ServerHttp2Stream): Promise<void> {
  for await (const data of await work(payloadOf(stream))) await write(stream, { data });
  await write(stream, { last: true });
  stream.end();
}

async function* payloadOf(stream: ServerHttp2Stream): AsyncGenerator<Buffer> {
  const frames = new FrameSplitter();
  // It is answered after its end.
  const chunks: AsyncIterable<Buffer> = stream.iterator({ destroyOnReturn: false });
  for await (const bytes of chunks) {
    const parts: Buffer[] = [];
    let isLast = false;
    frames.push(bytes, (whole, start, end) => {
      const message = whole.subarray(start, end);
      for (const { data, last } of fromBinary(InvokeBindingStreamRequestSchema, message).chunks) {
        parts.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
        isLast ||= last;
      }
    });
    yield* parts;
    if (isLast) return;
  }
}

async function write(
  stream: ServerHttp2Stream,
  part: { readonly data?: Buffer; readonly last?: boolean },
): Promise<void> {
  const chunk = create(AnswerChunkSchema, { invocation: 1, ...part });
  const response = create(InvokeBindingStreamResponseSchema, { chunks: [chunk] });
  const frame = grpcFrame(toBinary(InvokeBindingStreamResponseSchema, response));
  if (!stream.write(frame)) await once(stream, "drain");
}
