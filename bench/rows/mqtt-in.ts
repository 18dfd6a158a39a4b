import { connectAsync } from "mqtt";
import { uniqueName } from "../../test/servers/unique-name.ts";
import type { EventSource } from "./event-source.ts";
import { eventContender } from "./events.ts";
import type { Bench, Row } from "./row.ts";

const latencyRate = 1000;

/** A kept session that was filled while nobody was connected. */
export const mqttInRow: Row = {
  name: "mqtt-in",
  title: "MQTT QoS 1 → app",
  latencyRate,
  contenders: ["cufflink-unary", "cufflink-stream", "before", "daprd", "floor"],
  requirements: [
    { measure: "rate", contender: "cufflink-unary", of: "daprd", atLeast: 1.4, aim: 1.7 },
    { measure: "cpu", contender: "cufflink-unary", of: "daprd", atMost: 0.5, aim: 0.42 },
    { measure: "rate", contender: "cufflink-stream", of: "daprd", atLeast: 1.5 },
    { measure: "rate", contender: "cufflink-stream", of: "before", atLeast: 0.95 },
    { measure: "cpu", contender: "cufflink-stream", of: "daprd", atMost: 0.5 },
  ],
  open(contender, bench) {
    return eventContender(contender, bench, {
      system: "mqtt",
      keys: 1000,
      ordered: false,
      waiting: bench.count(40_000),
      latencyRate,
      paced: bench.count(2000),
      open: () => openSession(bench),
    });
  },
};

async function openSession(bench: Bench): Promise<EventSource> {
  const { url } = await bench.systems.mosquitto();
  const topic = uniqueName("in");
  const clientId = `${topic}-consumer`;
  const session = await connectAsync(url, { clientId, clean: false });
  await session.subscribeAsync(topic, { qos: 1 });
  await session.endAsync();
  const producer = await connectAsync(url);
  return {
    component: {
      name: "in",
      type: "mqtt3",
      metadata: { url, topic, consumerID: topic, cleanSession: "false", qos: "1" },
    },
    address: url,
    source: topic,
    async send(_, payload) {
      await producer.publishAsync(topic, payload, { qos: 1 });
    },
    async [Symbol.asyncDispose]() {
      await producer.endAsync();
      // A clean connection of its name ends the session.
      await (await connectAsync(url, { clientId, clean: true })).endAsync();
    },
  };
}
