import { floor, type Running, start } from "../subject.ts";
import { createInvocation } from "../wire/grpc.ts";
import { exchange } from "../../test/servers/exchange.ts";
import { runGrpcLoad } from "../load/grpc-load.ts";
import { callContender, grpcTarget, httpTarget, startDaemon } from "./calls.ts";
import type { Bench, Contender, ContenderName, Row, Sample } from "./row.ts";

const invocation = createInvocation("redis", { key: "bench" });
const latencyRate = 3000;

/** How many `SET` the server has seen. */
export async function redisSets(bench: Bench): Promise<number> {
  const redis = await bench.systems.redis();
  const text = await exchange(redis, "INFO commandstats\r\n", /\r\n\r\n$/);
  const [, calls = "0"] = /cmdstat_set:calls=(\d+)/.exec(text) ?? [];
  return Number(calls);
}

/** A daemon with one redis output, or the floor that is named. */
export async function startRedis(
  contender: ContenderName,
  bench: Bench,
  floorKind: string,
): Promise<Running> {
  const redis = await bench.systems.redis();
  if (contender === "floor") {
    return start(floor("floor.ts", floorKind, redis.url), bench.circumstances);
  }
  const metadata = { redisHost: `${redis.host}:${redis.port}`, redisPassword: "" };
  return startDaemon(contender, bench, { name: "redis", type: "redis", metadata });
}

/** Redis over gRPC. */
export const redisGrpcRow: Row = {
  name: "redis-grpc",
  title: "`InvokeBinding` → redis `create`, gRPC",
  latencyRate,
  contenders: ["cufflink", "daprd", "floor"],
  requirements: [
    { measure: "cpu", contender: "cufflink", of: "daprd", atMost: 0.35, aim: 0.28 },
    { measure: "rate", contender: "cufflink", of: "daprd", atLeast: 1.6, aim: 2 },
  ],
  async open(contender, bench) {
    const running = await startRedis(contender, bench, "redis");
    return callContender(running, bench, {
      target: grpcTarget(running, invocation),
      calls: bench.count(50_000),
      latencyRate,
      latencyCalls: bench.count(6000),
      counted: () => redisSets(bench),
    });
  },
};

/** Redis over Dapr's HTTP API. */
export const redisHttpRow: Row = {
  name: "redis-http",
  title: "`POST /v1.0/bindings` → redis `create`",
  latencyRate,
  contenders: ["cufflink", "daprd", "floor"],
  requirements: [{ measure: "cpu", contender: "cufflink", of: "daprd", atMost: 1, aim: 0.7 }],
  async open(contender, bench) {
    const running = await startRedis(contender, bench, "redis-http");
    const port = contender === "floor" ? running.ports.grpc : running.ports.http;
    return callContender(running, bench, {
      target: httpTarget(port, invocation),
      calls: bench.count(40_000),
      latencyRate,
      latencyCalls: bench.count(6000),
      counted: () => redisSets(bench),
    });
  },
};

/** One call at a time, the next when the last was answered. */
export const redisLatencyRow: Row = {
  name: "redis-latency",
  title: "lone `InvokeBinding` → redis `create`, one at a time",
  contenders: ["cufflink", "daprd", "floor"],
  requirements: [{ measure: "p50", contender: "cufflink", of: "daprd", atMost: 1, aim: 0.9 }],
  async open(contender, bench): Promise<Contender> {
    const running = await startRedis(contender, bench, "redis");
    const target = grpcTarget(running, invocation);
    const load = { calls: bench.count(5000), inFlight: 1, warm: 200 };
    const run = async (): Promise<Sample> => {
      const { p50, p90, p99 } = await runGrpcLoad(
        bench.folder,
        target,
        load,
        bench.circumstances.pin,
      );
      return { p50, p90, p99 };
    };
    await run();
    return {
      round: run,
      [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
    };
  },
};
