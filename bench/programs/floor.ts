// What a row costs in Node at the least: the same messages decoded and encoded straight on node:http2 or node:http, and
// the system's driver called, without anything of Cufflink. Arguments: PORT WORK ADDRESS.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { createServer, type ServerHttp2Stream } from "node:http2";
import {
  InvokeBindingRequestSchema,
  InvokeBindingResponseSchema,
} from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { openAws, openSqs } from "../load/clouds-floor.ts";
import { grpcFrame } from "../wire/grpc.ts";

type Metadata = Readonly<Record<string, string>>;
type Work = (data: Uint8Array, metadata: Metadata) => Promise<Uint8Array>;

const head = { ":status": 200, "content-type": "application/grpc" } as const;
const trailersFollow = { waitForTrailers: true, sendDate: false } as const;
const none = new Uint8Array(0);
const [port, kind = "", address = ""] = process.argv.slice(2);
const makers: Record<string, () => Promise<Work>> = {
  echo: () => Promise.resolve((data) => Promise.resolve(data)),
  redis: redisWork,
  "redis-http": redisWork,
  "http-get": httpWork,
  kafka: kafkaWork,
  nats: natsWork,
  "postgres-exec": () => postgresWork(false),
  "postgres-query": () => postgresWork(true),
  "sqs-send": sqsWork,
  "s3-put": () => s3Work("PUT"),
  "s3-get": () => s3Work("GET"),
};
const work = await makers[kind]!();
if (kind === "redis-http") serveHttp();
else serveGrpc();

async function redisWork(): Promise<Work> {
  const { Redis } = await import("ioredis");
  const redis = new Redis(address, { enableAutoPipelining: true });
  return async (data, { key = "" }) => {
    await redis.set(key, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    return none;
  };
}

async function httpWork(): Promise<Work> {
  const { Pool } = await import("undici");
  const { origin, pathname } = new URL(address);
  const pool = new Pool(origin, { connections: 64 });
  return async () => {
    const { body } = await pool.request({ method: "GET", path: pathname });
    return new Uint8Array(await body.arrayBuffer());
  };
}

async function natsWork(): Promise<Work> {
  const { connect } = await import("@nats-io/transport-node");
  const [servers = "", subject = ""] = address.split("/");
  const client = await connect({ servers });
  return async (data) => {
    await client.request(subject, data, { timeout: 30_000 });
    return none;
  };
}

async function postgresWork(answers: boolean): Promise<Work> {
  const { Pool } = await import("pg");
  const pool = new Pool({ connectionString: address, max: 8 });
  return async (_, { sql = "", params = "[]" }) => {
    const values = JSON.parse(params) as unknown[];
    const { rows } = await pool.query<unknown[]>({ text: sql, values, rowMode: "array" });
    return answers ? Buffer.from(JSON.stringify(rows)) : none;
  };
}

async function sqsWork(): Promise<Work> {
  const ask = await openSqs(address, "out");
  return async (data) => {
    await ask("SendMessage", { MessageBody: Buffer.from(data).toString() });
    return none;
  };
}

async function s3Work(method: "GET" | "PUT"): Promise<Work> {
  const send = await openAws("s3", address);
  return async (data, { key = "" }) => {
    const isPut = method === "PUT";
    const headers: Record<string, string> = isPut
      ? { "Content-Type": "application/octet-stream" }
      : {};
    const body = isPut ? { body: Buffer.from(data.buffer, data.byteOffset, data.byteLength) } : {};
    const answer = await send({ method, path: `/bucket/${key}`, headers, ...body });
    return new Uint8Array(await answer.body.arrayBuffer());
  };
}

/** What arrives in one turn of the event loop goes out as one request. */
async function kafkaWork(): Promise<Work> {
  const { Producer } = await import("@platformatic/kafka");
  const [brokers = "", topic = ""] = address.split("/");
  const producer = new Producer({ clientId: "floor", bootstrapBrokers: brokers.split(",") });
  let waiting: { value: Buffer; done: () => void; failed: (reason: unknown) => void }[] = [];
  const send = (): void => {
    const batch = waiting;
    waiting = [];
    const messages = batch.map(({ value }) => ({ topic, value }));
    producer.send({ messages, acks: -1 }).then(
      () => batch.forEach(({ done }) => done()),
      (error: unknown) => batch.forEach(({ failed }) => failed(error)),
    );
  };
  return (data) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(send);
      const value = Buffer.from(data);
      waiting.push({ value, done: () => resolve(none), failed: reject });
    });
}

function serveGrpc(): void {
  const windows = { initialWindowSize: 4 << 20, maxConcurrentStreams: 1000 };
  const server = createServer({ settings: windows });
  server.on("session", (session) => session.setLocalWindowSize(16 << 20));
  server.on("stream", (stream: ServerHttp2Stream) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      answerGrpc(stream, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).catch(
        (error: unknown) => stream.destroy(error as Error),
      );
    });
  });
  server.listen(Number(port), "127.0.0.1");
}

async function answerGrpc(stream: ServerHttp2Stream, body: Buffer): Promise<void> {
  const request = fromBinary(InvokeBindingRequestSchema, body.subarray(5));
  const data = await work(request.data, request.metadata);
  const response = create(InvokeBindingResponseSchema, { data });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.respond(head, trailersFollow);
  stream.end(grpcFrame(toBinary(InvokeBindingResponseSchema, response)));
}

function serveHttp(): void {
  const server = createHttpServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { data, metadata } = JSON.parse(Buffer.concat(chunks).toString()) as {
        data: string;
        metadata: { key: string };
      };
      void work(Buffer.from(data), metadata).then(() => response.writeHead(204).end());
    });
  });
  server.listen(Number(port), "127.0.0.1");
}
