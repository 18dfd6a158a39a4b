import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { runStream } from "../load/stream-load.ts";
import { processorSeconds } from "../measure/process.ts";
import type { Percentiles } from "../measure/statistics.ts";
import type { Running } from "../subject.ts";
import { batchBody, invokeBindingBatchPath } from "../wire/bulk.ts";
import { createInvocation } from "../wire/grpc.ts";
import { callContender, grpcTarget } from "./calls.ts";
import { redisSets, startRedis } from "./redis.ts";
import type { Bench, Contender, Row, Sample } from "./row.ts";

const execute = promisify(execFile);
const latencyRate = 3000;
const batchSize = 100;
const batchesInFlight = 8;
const streamInFlight = 512;

const invocation = createInvocation("redis", { key: "bench" });

/** Many invocations at once beside daprd's one by one. */
export const redisBulkRow: Row = {
  name: "redis-bulk",
  title: "`InvokeBindingBatch` and `InvokeBindingStream` → redis `create`",
  latencyRate,
  contenders: ["cufflink-batch", "cufflink-stream", "daprd", "floor"],
  requirements: [
    { measure: "rate", contender: "cufflink-batch", of: "daprd", atLeast: 3 },
    { measure: "rate", contender: "cufflink-stream", of: "daprd", atLeast: 3 },
  ],
  async open(contender, bench) {
    if (contender === "floor") return floorContender(bench);
    const running = await startRedis(contender, bench, "");
    const counted = (): Promise<number> => redisSets(bench);
    const latencyCalls = bench.count(6000);
    if (contender === "cufflink-stream") return streamContender(running, bench);
    if (contender === "cufflink-batch") {
      return callContender(running, bench, {
        target: {
          protocol: "grpc",
          port: running.ports.grpc,
          path: invokeBindingBatchPath,
          body: batchBody(invocation, batchSize),
        },
        calls: bench.count(2000),
        inFlight: batchesInFlight,
        operations: batchSize,
        latencyRate: latencyRate / batchSize,
        latencyCalls: bench.count(120),
        counted,
      });
    }
    return callContender(running, bench, {
      target: grpcTarget(running, invocation),
      calls: bench.count(50_000),
      latencyRate,
      latencyCalls,
      counted,
    });
  },
};

async function streamContender(running: Running, bench: Bench): Promise<Contender> {
  const { pin } = bench.circumstances;
  const order = { port: running.ports.grpc, component: "redis", inFlight: streamInFlight };
  const invocations = Math.max(streamInFlight, bench.count(200_000));
  const run = async (): Promise<Sample> => {
    const before = await redisSets(bench);
    const result = await runStream<Sample>({ ...order, invocations }, pin);
    const counted = (await redisSets(bench)) - before;
    if (counted !== invocations) {
      throw new Error(`of ${invocations} invocations ${counted} were done`);
    }
    return result;
  };
  await run();
  return {
    async round(): Promise<Sample> {
      const before = processorSeconds(running.pid);
      const speed = await run();
      const cpu = ((processorSeconds(running.pid) - before) / invocations) * 1e6;
      const paced = { ...order, invocations: bench.count(6000), rate: latencyRate };
      return { ...speed, cpu, ...(await runStream<Percentiles>(paced, pin)) };
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

async function floorContender(bench: Bench): Promise<Contender> {
  const { url } = await bench.systems.redis();
  const program = join(import.meta.dirname, "../programs/redis-floor.ts");
  return {
    async round(): Promise<Sample> {
      const { stdout } = await execute(process.execPath, [
        program,
        url,
        String(bench.count(200_000)),
      ]);
      return JSON.parse(stdout) as Sample;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
