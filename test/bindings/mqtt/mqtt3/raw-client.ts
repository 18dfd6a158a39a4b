import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { generate } from "mqtt-packet";
import { brokerAddress } from "../../../../src/bindings/mqtt/address.ts";
import { MqttSession } from "../../../../src/bindings/mqtt/mqtt3/session.ts";
import type { IPublishPacket } from "mqtt-packet";
import { onTestFinished } from "vitest";

/** A connection beside the component under test; what it receives is acknowledged. */
export async function rawClient(
  url: string,
  topic?: string,
  clientId = `raw-${randomBytes(6).toString("hex")}`,
): Promise<{ session: MqttSession; received: IPublishPacket[] }> {
  const received: IPublishPacket[] = [];
  const session = await MqttSession.connect({
    address: brokerAddress({ url }),
    clientId,
    clean: true,
    keepAlive: 30_000,
    signal: AbortSignal.timeout(10_000),
    lost() {},
    received(messages, session) {
      for (const message of messages) {
        received.push(message);
        if (message.messageId !== undefined) session.acknowledge(message.messageId);
      }
    },
  });
  if (topic !== undefined) await session.subscribe(topic);
  onTestFinished(() => session.end());
  return { session, received };
}

/** Sends with QoS 0, which the binding never does. */
export function publishAtMostOnce(
  address: { host: string; port: number },
  topic: string,
  payload: string,
): void {
  const packets = [
    generate({
      cmd: "connect",
      clientId: "",
      clean: true,
      keepalive: 30,
      protocolVersion: 4,
      protocolId: "MQTT",
    }),
    generate({ cmd: "publish", topic, payload, qos: 0, retain: false, dup: false }),
    generate({ cmd: "disconnect" }),
  ];
  connect(address).end(Buffer.concat(packets));
}
