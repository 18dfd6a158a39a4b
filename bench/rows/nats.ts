import { connect, type NatsConnection } from "@nats-io/transport-node";
import { uniqueName } from "../../test/servers/unique-name.ts";
import { floor, start } from "../subject.ts";
import { createInvocation } from "../wire/grpc.ts";
import { callContender, grpcTarget, startDaemon } from "./calls.ts";
import type { EventSource } from "./event-source.ts";
import { eventContender } from "./events.ts";
import type { Bench, Row } from "./row.ts";

const latencyRate = 1000;

/** Messages that a stream has stored. */
export const natsOutRow: Row = {
  name: "nats-out",
  title: "`InvokeBinding` → nats `create`, acknowledged by JetStream, gRPC",
  latencyRate,
  contenders: ["cufflink", "floor"],
  requirements: [{ measure: "cpu", contender: "cufflink", of: "floor", atMost: 1.5 }],
  async open(contender, bench) {
    const { host, port } = await bench.systems.nats();
    const stream = await makeStream(`${host}:${port}`);
    const running =
      contender === "floor"
        ? await start(
            floor("floor.ts", "nats", `${host}:${port}/${stream}.out`),
            bench.circumstances,
          )
        : await startDaemon(contender, bench, {
            ...{ name: "subject", type: "nats" },
            metadata: {
              ...{ servers: `${host}:${port}`, subject: `${stream}.out` },
              direction: "output",
            },
          });
    return callContender(running, bench, {
      target: grpcTarget(running, createInvocation("subject", {})),
      calls: bench.count(40_000),
      latencyRate,
      latencyCalls: bench.count(2000),
      counted: () => messagesIn(`${host}:${port}`, stream),
    });
  },
};

/** A stream of a thousand subjects that was filled before. */
export const natsInRow: Row = {
  name: "nats-in",
  title: "NATS JetStream → app, a thousand subjects",
  latencyRate,
  contenders: ["cufflink-unary", "cufflink-stream", "floor"],
  requirements: [{ measure: "cpu", contender: "cufflink-stream", of: "floor", atMost: 2 }],
  open(contender, bench) {
    const few = contender === "cufflink-unary";
    return eventContender(contender, bench, {
      system: "nats",
      keys: 1000,
      ordered: true,
      waiting: bench.count(few ? 40_000 : 120_000),
      latencyRate,
      paced: bench.count(2000),
      open: () => openStream(bench),
    });
  },
};

async function openStream(bench: Bench): Promise<EventSource> {
  const { host, port } = await bench.systems.nats();
  const servers = `${host}:${port}`;
  const stream = await makeStream(servers);
  const producer = await connect({ servers });
  return {
    component: {
      name: "in",
      type: "nats",
      metadata: { servers, stream, consumer: "bench", startFrom: "oldest", direction: "input" },
    },
    address: servers,
    source: stream,
    async send(key, payload) {
      await producer.request(`${stream}.${key}`, payload, { timeout: 30_000 });
    },
    async unsettled() {
      const info = await asked(producer, `CONSUMER.INFO.${stream}.bench`);
      return Number(info["num_pending"]) + Number(info["num_ack_pending"]);
    },
    async [Symbol.asyncDispose]() {
      await asked(producer, `STREAM.DELETE.${stream}`);
      await producer.close();
    },
  };
}

async function makeStream(servers: string): Promise<string> {
  const stream = uniqueName("bench").replaceAll(/[^\w-]/g, "-");
  const config = { name: stream, subjects: [`${stream}.>`], storage: "memory" };
  await withClient(servers, (client) => asked(client, `STREAM.CREATE.${stream}`, config));
  return stream;
}

async function messagesIn(servers: string, stream: string): Promise<number> {
  const { state } = await withClient(servers, (client) => asked(client, `STREAM.INFO.${stream}`));
  return (state as { messages: number }).messages;
}

async function withClient<T>(
  servers: string,
  work: (client: NatsConnection) => Promise<T>,
): Promise<T> {
  const client = await connect({ servers });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

async function asked(
  client: NatsConnection,
  subject: string,
  body: object = {},
): Promise<Record<string, unknown>> {
  const answer = await client.request(`$JS.API.${subject}`, JSON.stringify(body), {
    timeout: 30_000,
  });
  const result = answer.json<Record<string, unknown>>();
  if (result["error"] !== undefined) throw new Error(JSON.stringify(result["error"]));
  return result;
}
