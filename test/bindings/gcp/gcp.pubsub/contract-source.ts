import { expect } from "vitest";
import pubsub from "../../../../src/bindings/gcp/gcp.pubsub/index.ts";
import type { Source } from "../../contract.ts";
import { pubsubPeer } from "./peer.ts";

type Server = { readonly host: string; readonly port: number; readonly url: string };

export function pubsubSource(server: Server): Source {
  return {
    binding: pubsub,
    largest: 2 ** 20,
    ordered: { properties: {}, keys: ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] },
    async place() {
      const peer = pubsubPeer(server);
      const topic = await peer.makeTopic();
      const subscription = await peer.makeSubscription(topic, { ordered: true });
      return {
        properties: { projectID: "shop", subscription, endpoint: server.url, ackDeadline: "10s" },
        send: (data, key) => peer.publish(topic, { data, orderingKey: key }),
        async sendMarked() {
          const attributes = { text: "grün", empty: "" };
          await peer.publish(topic, { data: "x", attributes, orderingKey: "key" });
          return ({ metadata, headers, id }) => {
            expect(metadata).toMatchObject({
              id,
              orderingKey: "key",
              publishTime: expect.stringMatching(
                /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})? \+0000 UTC$/,
              ),
            });
            const shown = headers.map(({ name, value }) => [name, Buffer.from(value).toString()]);
            expect(Object.fromEntries(shown)).toEqual(attributes);
          };
        },
      };
    },
  };
}
