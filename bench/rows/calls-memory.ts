import { runGrpcLoad } from "../load/grpc-load.ts";
import { residentMebibytes } from "../measure/process.ts";
import { createInvocation } from "../wire/grpc.ts";
import { grpcTarget } from "./calls.ts";
import { startRedis } from "./redis.ts";
import type { Bench, ContenderName, Row, Sample } from "./row.ts";

const invocation = createInvocation("redis", { key: "bench" });
const settled = 5000;
const rest = 25_000;

/** Whether the memory that calls took is given back. */
export const callsMemoryRow: Row = {
  name: "calls-memory",
  title: "2,000 `InvokeBinding` → redis `create`, then 25 s of rest",
  atOnce: true,
  contenders: ["cufflink", "daprd"],
  requirements: [{ measure: "ofIdle", contender: "cufflink", atMost: 1.3, aim: 1.1 }],
  async open(contender, bench) {
    // What is missing is told before the first round.
    await (await startRedis(contender, bench, "redis"))[Symbol.asyncDispose]();
    return {
      round: () => round(contender, bench),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
};

async function round(contender: ContenderName, bench: Bench): Promise<Sample> {
  await using running = await startRedis(contender, bench, "redis");
  await passed(settled);
  const idle = residentMebibytes(running.pid);
  const load = { calls: bench.count(2000), inFlight: 64 };
  const target = grpcTarget(running, invocation);
  await runGrpcLoad(bench.folder, target, load, bench.circumstances.pin);
  await passed(rest);
  const memory = residentMebibytes(running.pid);
  return { memory, ofIdle: memory / idle };
}

function passed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
