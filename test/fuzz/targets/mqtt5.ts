import { deepStrictEqual } from "node:assert/strict";
import * as fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";
import { PacketDecoder } from "../../../src/bindings/mqtt/mqtt5/decoder.ts";
import type { ServerPacket } from "../../../src/bindings/mqtt/mqtt5/packets.ts";
import { mutate, mutations, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";

type Input = {
  readonly packets: readonly Packet[];
  readonly changes: readonly Mutation[];
  /** How many bytes come at a time. */
  readonly size: number;
};

const message: Packet = {
  ...{ cmd: "publish", topic: "orders", payload: "x".repeat(200), qos: 1, messageId: 7 },
  ...{ dup: false, retain: true },
  properties: {
    ...{ payloadFormatIndicator: true, messageExpiryInterval: 9, contentType: "text/x" },
    ...{ responseTopic: "a", correlationData: Buffer.from("b"), topicAlias: 3 },
    ...{ subscriptionIdentifier: [1, 300], userProperties: { a: ["1", ""], b: "2" } },
  },
};

const packet = fc.constantFrom<Packet>(
  message,
  {
    ...{ cmd: "connack", sessionPresent: true, reasonCode: 0 },
    properties: { receiveMaximum: 20, assignedClientIdentifier: "c", serverKeepAlive: 9 },
  },
  { cmd: "suback", messageId: 1, granted: [0, 0x87] },
  { cmd: "puback", messageId: 1, reasonCode: 0x10, properties: { reasonString: "none" } },
  { cmd: "pubrel", messageId: 1, reasonCode: 0 },
  { cmd: "pingresp" },
  { cmd: "disconnect", reasonCode: 0x8e },
);

/** What a server of MQTT 5 sends, whole and broken: the same in pieces of any size, or an error. */
export const mqtt5: Target<Input> = {
  name: "mqtt5",
  input: fc.record({
    packets: fc.array(packet, { minLength: 1, maxLength: 6 }),
    changes: mutations,
    size: fc.integer({ min: 1, max: 300 }),
  }),
  async start() {
    return {
      async check({ packets, changes, size }) {
        const whole = Buffer.concat(packets.map((one) => generate(one, { protocolVersion: 5 })));
        const bytes = mutate(whole, changes);
        const atOnce = decode(bytes, bytes.length);
        const inPieces = decode(bytes, size);
        deepStrictEqual(inPieces, atOnce);
        if (changes.length === 0) deepStrictEqual(atOnce.packets.length, packets.length);
      },
      async [Symbol.asyncDispose]() {},
    };
  },
};

function decode(bytes: Buffer, size: number): { packets: ServerPacket[]; isBroken: boolean } {
  const packets: ServerPacket[] = [];
  const decoder = new PacketDecoder((one) => packets.push(one));
  try {
    for (let at = 0; at < bytes.length; at += Math.max(1, size))
      decoder.parse(bytes.subarray(at, at + Math.max(1, size)));
  } catch (error) {
    // What it throws is an error for the connection, and no fault of its own.
    if (!(error instanceof Error) || error instanceof RangeError || error instanceof TypeError)
      throw error;
    return { packets, isBroken: true };
  }
  return { packets, isBroken: false };
}
