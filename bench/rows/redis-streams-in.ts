import { Redis } from "ioredis";
import { uniqueName } from "../../test/servers/unique-name.ts";
import type { EventSource } from "./event-source.ts";
import { eventContender } from "./events.ts";
import type { Bench, Row } from "./row.ts";

const latencyRate = 1000;

/** A stream that was filled before, read by a group. */
export const redisStreamsInRow: Row = {
  name: "redis-streams-in",
  title: "Redis stream → app, a thousand keys",
  latencyRate,
  contenders: ["cufflink-unary", "cufflink-stream", "floor"],
  requirements: [{ measure: "cpu", contender: "cufflink-stream", of: "floor", atMost: 2 }],
  open(contender, bench) {
    const few = contender === "cufflink-unary";
    return eventContender(contender, bench, {
      system: "redis-streams",
      keys: 1000,
      ordered: true,
      waiting: bench.count(few ? 40_000 : 120_000),
      latencyRate,
      paced: bench.count(2000),
      open: () => openStream(bench),
    });
  },
};

/** `metadata`: more of the component's. */
export async function openStream(
  bench: Bench,
  metadata: Readonly<Record<string, string>> = {},
): Promise<EventSource> {
  const { host, port } = await bench.systems.redis();
  const stream = uniqueName("in");
  const client = new Redis(port, host, { enableAutoPipelining: true });
  await client.xgroup("CREATE", stream, "bench", "0", "MKSTREAM");
  return {
    component: {
      name: "in",
      type: "redis.streams",
      metadata: {
        ...{ redisHost: `${host}:${port}`, redisPassword: "", stream, consumerGroup: "bench" },
        ...{ keyField: "key", dataField: "data", direction: "input" },
        ...metadata,
      },
    },
    address: `redis://${host}:${port}`,
    source: stream,
    async send(key, payload) {
      await client.xadd(stream, "*", "key", key, "data", payload);
    },
    async unsettled() {
      const [pending] = (await client.xpending(stream, "bench")) as [number];
      return pending;
    },
    async [Symbol.asyncDispose]() {
      await client.del(stream);
      client.disconnect();
    },
  };
}
