import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { onTestFinished } from "vitest";

export type Client = {
  readonly client: MqttClient;
  readonly received: IPublishPacket[];
};

/** Another program's client of MQTT 5; ended after the test. */
export async function mqttClient(
  url: string,
  topic?: string,
  options: IClientOptions = {},
): Promise<Client> {
  const client = await connectAsync(url, { protocolVersion: 5, ...options });
  onTestFinished(() => client.endAsync(true));
  const received: IPublishPacket[] = [];
  client.on("message", (_topic, _payload, packet) => received.push(packet));
  if (topic !== undefined) await client.subscribeAsync(topic, { qos: 2 });
  return { client, received };
}
