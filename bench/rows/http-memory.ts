import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createCaller } from "../load/calls.ts";
import { residentMebibytes } from "../measure/process.ts";
import { httpTarget, startDaemon } from "./calls.ts";
import { Missing } from "../missing.ts";
import type { Bench, ContenderName, Row, Sample } from "./row.ts";

const bodies = 300;
const bodyBytes = 3 * 1024 * 1024;
const settled = 2000;
const rest = 25_000;

/** Whether memory that large bodies took is released. */
export const httpMemoryRow: Row = {
  name: "http-memory",
  title: "300 HTTP bodies of 3 MiB, then 25 s of rest",
  atOnce: true,
  contenders: ["cufflink", "daprd"],
  requirements: [{ measure: "growth", contender: "cufflink", atMost: 50 }],
  open(contender, bench) {
    if (contender === "daprd" && bench.daprd === undefined) {
      throw new Missing("DAPRD names no binary");
    }
    return Promise.resolve({
      round: () => growth(contender, bench),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  },
};

async function growth(contender: ContenderName, bench: Bench): Promise<Sample> {
  let received = 0;
  await using server = createServer((request, response) => {
    request.on("data", (chunk: Buffer) => (received += chunk.length));
    request.on("end", () => response.writeHead(204).end());
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const component = { name: "web", type: "http", metadata: { url } };
  await using running = await startDaemon(contender, bench, component);
  const calls = async (bytes: number, count: number): Promise<void> => {
    const data = Buffer.alloc(bytes, "0123456789abcdef");
    const invocation = { component: "web", operation: "post", metadata: {}, data };
    using caller = createCaller(httpTarget(running.ports.http, invocation));
    for (let index = 0; index < count; index++) await caller.call();
  };
  await calls(1024, 1);
  await passed(settled);
  received = 0;
  const before = residentMebibytes(running.pid);
  const count = bench.count(bodies);
  await calls(bodyBytes, count);
  if (received < count * bodyBytes) {
    throw new Error(`of ${count * bodyBytes} bytes ${received} arrived`);
  }
  await passed(rest);
  const memory = residentMebibytes(running.pid);
  return { memory, growth: memory - before };
}

function passed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
