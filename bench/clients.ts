// What a unary call costs its client: `node bench/clients.ts [CALLS]`. The server is a process of its own; the figures
// are the processor time of this one, for a request and an answer of 1 KiB, 64 calls in flight.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:http2";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport as createConnectTransport } from "@connectrpc/connect-node";
import {
  Dapr,
  InvokeBindingRequestSchema,
  InvokeBindingResponseSchema,
} from "../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { GrpcClient } from "../src/grpc/client.ts";
import { createGrpcTransport } from "../src/grpc/transport.ts";
import { median } from "./measure/statistics.ts";

const inFlight = 64;
const rounds = 5;
const calls = Number(process.argv[2] ?? 20_000);
const path = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
const request = {
  name: "echo",
  operation: "create",
  data: new Uint8Array(1024).fill(0x61),
};

type Subject = { readonly name: string; call(): Promise<unknown> };

const port = 24_000 + (process.pid % 1000);
const url = `http://127.0.0.1:${port}`;
const floor = join(import.meta.dirname, "programs", "floor.ts");
const server = spawn(process.execPath, [floor, String(port), "echo"], { stdio: "inherit" });
process.on("exit", () => server.kill());
await untilServed();

const subjects = [
  bareHttp2(),
  nativeClient(),
  viaTransport("native transport", createGrpcTransport({ baseUrl: url })),
  viaTransport("connect-node", createConnectTransport({ baseUrl: url })),
];
const figures = new Map<string, number[]>(subjects.map(({ name }) => [name, []]));
for (const subject of subjects) await load(subject, 2000);
for (let round = 0; round < rounds; round += 1) {
  for (const subject of subjects) {
    const before = process.cpuUsage();
    await load(subject, calls);
    const { user, system } = process.cpuUsage(before);
    figures.get(subject.name)!.push((user + system) / calls);
  }
}
for (const [name, all] of figures) {
  console.log(`${name.padEnd(16)} ${median(all).toFixed(1)} µs of CPU a call`);
}
process.exit();

async function load(subject: Subject, count: number): Promise<void> {
  let left = count;
  const repeat = async (): Promise<void> => {
    while (left-- > 0) await subject.call();
  };
  await Promise.all(Array.from({ length: inFlight }, repeat));
}

function encoded(): Uint8Array {
  return toBinary(InvokeBindingRequestSchema, create(InvokeBindingRequestSchema, request));
}

/** The floor: node:http2 and protobuf-es, nothing checked. */
function bareHttp2(): Subject {
  const session = connect(url);
  const headers = {
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  };
  return {
    name: "bare http2",
    call: () =>
      new Promise((resolve, reject) => {
        const message = encoded();
        const body = Buffer.allocUnsafe(5 + message.length);
        body[0] = 0;
        body.writeUInt32BE(message.length, 1);
        body.set(message, 5);
        const stream = session.request(headers);
        const chunks: Buffer[] = [];
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("error", reject);
        stream.on("end", () =>
          resolve(fromBinary(InvokeBindingResponseSchema, Buffer.concat(chunks).subarray(5))),
        );
        stream.end(body);
      }),
  };
}

function nativeClient(): Subject {
  const client = new GrpcClient({ host: "127.0.0.1", port });
  return {
    name: "native client",
    async call() {
      const result = await client.unary(path, encoded(), { waitForConnection: true });
      if (result.kind !== "ok") throw new Error(result.kind);
      return fromBinary(InvokeBindingResponseSchema, result.message);
    },
  };
}

function viaTransport(name: string, transport: Transport): Subject {
  const client = createClient(Dapr, transport);
  return { name, call: () => client.invokeBinding(request) };
}

async function untilServed(): Promise<void> {
  for (;;) {
    const session = connect(url);
    const reached = await once(session, "connect").then(
      () => true,
      () => false,
    );
    session.destroy();
    if (reached) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
