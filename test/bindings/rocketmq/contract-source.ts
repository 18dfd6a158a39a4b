import { expect } from "vitest";
import rocketmq from "../../../src/bindings/rocketmq/index.ts";
import { uniqueName } from "../../servers/describe-with.ts";
import type { Source } from "../contract.ts";
import { rocketmqPeer } from "./peer.ts";

export type Server = {
  readonly host: string;
  readonly port: number;
  /** Makes topic and group, where the server does not by itself. */
  readonly prepare?: (topic: string, group: string) => Promise<void>;
};

/** Topics of the type FIFO, which an orderly group reads. */
export function rocketmqSource(server: Server): Source {
  return {
    binding: rocketmq,
    largest: 2 ** 20,
    carriesNothing: false,
    // A topic has two queues, each of which is given out in order as a whole.
    ordered: { properties: {}, keys: ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] },
    async place() {
      const topic = uniqueName("fifo-orders");
      const group = uniqueName("fifo-shop");
      await server.prepare?.(topic, group);
      const peer = rocketmqPeer(server);
      return {
        properties: propertiesOf(server, topic, group),
        async send(data, key) {
          await peer.send(topic, data, { group: key });
        },
        async sendMarked() {
          const properties = { region: "grün", empty: "x" };
          const id = await peer.send(topic, "x", {
            ...{ tag: "paid", keys: ["order-17", "eu"], group: "customer-7", properties },
          });
          return ({ metadata, headers, id: eventId }) => {
            expect(eventId).toBe(id);
            expect(metadata).toMatchObject({
              "rocketmq-sub-type": "",
              "rocketmq-sub-expression": "",
              "rocketmq-consumerGroup": group,
              "rocketmq-broker-name": "broker-a",
              "rocketmq-topic": topic,
              "rocketmq-message-id": id,
              "rocketmq-tag": "paid",
              "rocketmq-key": "order-17 eu",
              "rocketmq-message-group": "customer-7",
              "rocketmq-born-host": "peer",
              "rocketmq-born-time": expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
              "rocketmq-offset": "0",
            });
            const shown = headers.map(({ name, value }) => [name, Buffer.from(value).toString()]);
            expect(Object.fromEntries(shown)).toMatchObject(properties);
          };
        },
      };
    },
  };
}

export function propertiesOf(server: Server, topic: string, group: string): Record<string, string> {
  const proxyEndpoint = `${server.host}:${server.port}`;
  const quick = { invisibleDuration: "10s", waitTime: "1s" };
  return { proxyEndpoint, topics: topic, consumerGroup: group, ...quick };
}
