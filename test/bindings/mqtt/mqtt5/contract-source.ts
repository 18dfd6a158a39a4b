import { connectAsync, type IClientPublishOptions } from "mqtt";
import { expect } from "vitest";
import mqtt5 from "../../../../src/bindings/mqtt/mqtt5/index.ts";
import { uniqueName } from "../../../servers/describe-with.ts";
import type { Source } from "../../contract.ts";

export function mqtt5Source(server: { readonly url: string }, qos: 1 | 2): Source {
  return {
    binding: mqtt5,
    largest: 2 ** 20,
    async place() {
      const topic = uniqueName("orders");
      const consumerID = uniqueName("shop");
      const properties = { url: server.url, topic: `${topic}/#`, consumerID, qos: String(qos) };
      const send = async (
        name: string,
        data: Uint8Array,
        options: IClientPublishOptions = {},
      ): Promise<void> => {
        const client = await connectAsync(server.url, { protocolVersion: 5 });
        await client.publishAsync(name, Buffer.from(data), { qos, ...options });
        await client.endAsync();
      };
      // Who has never been there gets nothing: the session is made before the first event.
      const client = await connectAsync(server.url, {
        ...{ clientId: `${consumerID}-consumer`, clean: false, protocolVersion: 5 },
        properties: { sessionExpiryInterval: 3600 },
      });
      await client.subscribeAsync(properties.topic, { qos });
      await client.endAsync();
      return {
        properties,
        send: (data) => send(topic, data),
        async sendMarked() {
          const about = {
            ...{ contentType: "text/x", responseTopic: "answers", payloadFormatIndicator: true },
            ...{ messageExpiryInterval: 90, correlationData: Buffer.of(0, 255) },
            userProperties: { repeat: ["one", "two"], empty: "" },
          };
          await send(`${topic}/grün`, Buffer.from("x"), { properties: about });
          return ({ metadata, headers }) => {
            expect(metadata).toMatchObject({
              ...{ topic: `${topic}/grün`, qos: String(qos) },
              ...{ contentType: "text/x", responseTopic: "answers", payloadFormat: "utf8" },
              ...{ correlationData: "AP8=", "correlationData.encoding": "base64" },
            });
            expect(Number(metadata["messageExpiry"])).toBeLessThanOrEqual(90);
            expect(headers.map(({ name, value }) => [name, Buffer.from(value).toString()])).toEqual(
              [
                ["repeat", "one"],
                ["repeat", "two"],
                ["empty", ""],
              ],
            );
          };
        },
      };
    },
  };
}
