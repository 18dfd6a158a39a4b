import type { IPublishPacket } from "mqtt";
import mqtt5 from "../../../src/bindings/mqtt/mqtt5/index.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { mqttClient } from "../mqtt/mqtt5/mqtt-client.ts";
import { until } from "../opened-queue.ts";
import { testHostileValues, type HostilePlace } from "./suite.ts";

type Properties = NonNullable<IPublishPacket["properties"]>;

const places = {
  "the topic": [(root: string, value: string) => ({ topic: `${root}/${value}` })],
  "the content type": [
    (_: string, contentType: string) => ({ contentType }),
    ({ contentType = "" }: Properties) => contentType,
  ],
  "the response topic": [
    (_: string, responseTopic: string) => ({ responseTopic }),
    ({ responseTopic = "" }: Properties) => responseTopic,
  ],
  "the correlation data": [
    (_: string, correlationData: string) => ({ correlationData }),
    ({ correlationData }: Properties) => String(correlationData),
  ],
  "the value of a user property": [
    (_: string, value: string) => ({ "header:mark": value }),
    ({ userProperties }: Properties) => String(userProperties?.["mark"]),
  ],
  "the name of a user property": [
    (_: string, value: string) => ({ [`header:${value}`]: "x" }),
    ({ userProperties = {} }: Properties) => Object.keys(userProperties).join(),
  ],
} as const;

describeWith("mosquitto", (server) => {
  testHostileValues(mqtt5, Object.keys(places), async () => {
    const root = uniqueName("orders");
    const { received } = await mqttClient(server.url, `${root}/#`);
    let sent = 0;
    const placeOf = ([metadata, shown]: (typeof places)[keyof typeof places]): HostilePlace => ({
      async send(output, value) {
        const request = { topic: `${root}/one`, ...metadata(root, value) };
        await output.invoke("create", request, { data: "hello" });
        sent++;
      },
      async arrived() {
        await until(() => received.length >= sent);
        sent = 0;
        return received
          .splice(0)
          .map(({ topic, properties }) =>
            shown === undefined ? topic.slice(root.length + 1) : shown(properties ?? {}),
          );
      },
    });
    return {
      properties: { url: server.url, consumerID: uniqueName("shop") },
      places: Object.fromEntries(
        Object.entries(places).map(([name, place]) => [name, placeOf(place)]),
      ),
    };
  });
});
