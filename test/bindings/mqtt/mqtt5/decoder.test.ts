import { randomBytes } from "node:crypto";
import { generate, type Packet } from "mqtt-packet";
import { expect, test } from "vitest";
import { PacketDecoder } from "../../../../src/bindings/mqtt/mqtt5/decoder.ts";
import type { ServerPacket } from "../../../../src/bindings/mqtt/mqtt5/packets.ts";

const bytesOf = (packet: Packet): Buffer => generate(packet, { protocolVersion: 5 });

function decode(bytes: Buffer, size = bytes.length): ServerPacket[] {
  const packets: ServerPacket[] = [];
  const decoder = new PacketDecoder((packet) => packets.push(packet));
  for (let at = 0; at < bytes.length; at += size) decoder.parse(bytes.subarray(at, at + size));
  return packets;
}

const message: Packet = {
  ...{ cmd: "publish", topic: "orders/grün", payload: randomBytes(300), qos: 2 },
  ...{ dup: true, retain: true, messageId: 513 },
  properties: {
    ...{ payloadFormatIndicator: true, messageExpiryInterval: 90, contentType: "text/x" },
    ...{ responseTopic: "answers", correlationData: Buffer.of(0, 255), topicAlias: 7 },
    subscriptionIdentifier: [1, 268_435_455],
    userProperties: { a: ["", "1"], b: "2" },
  },
};

test("reads all that a server sends, in pieces of any size", () => {
  const bytes = Buffer.concat([
    bytesOf({
      ...{ cmd: "connack", sessionPresent: true, reasonCode: 0 },
      properties: { receiveMaximum: 20, maximumQoS: 1, sharedSubscriptionAvailable: false },
    }),
    bytesOf(message),
    bytesOf({ cmd: "suback", messageId: 2, granted: [0, 1, 2, 0x87] }),
    bytesOf({ cmd: "puback", messageId: 3, reasonCode: 0x10 }),
    // Short forms: the code and the properties may be left out.
    Buffer.from([0x50, 2, 0, 4, 0x62, 2, 0, 5, 0x70, 3, 0, 6, 0x92, 0xd0, 0, 0xe0, 0]),
    bytesOf({ cmd: "disconnect", reasonCode: 0x9d, properties: { serverReference: "other" } }),
  ]);
  const whole = decode(bytes);
  for (const size of [1, 2, 3, 7, 64]) expect(decode(bytes, size)).toEqual(whole);
  expect(whole.map(({ cmd }) => cmd)).toEqual([
    ...["connack", "publish", "suback", "puback", "pubrec", "pubrel", "pubcomp", "pingresp"],
    ...["disconnect", "disconnect"],
  ]);
  expect(whole[0]).toMatchObject({
    ...{ sessionPresent: true, reasonCode: 0 },
    properties: { receiveMaximum: 20, maximumQos: 1, sharedSubscriptionAvailable: 0 },
  });
  expect(whole[1]).toMatchObject({
    ...{ topic: "orders/grün", qos: 2, dup: true, retain: true, messageId: 513 },
    payload: "payload" in message ? message.payload : undefined,
    properties: {
      ...{ payloadFormatIndicator: 1, messageExpiryInterval: 90, contentType: "text/x" },
      ...{ responseTopic: "answers", correlationData: Buffer.of(0, 255), topicAlias: 7 },
      subscriptionIdentifiers: [1, 268_435_455],
      userProperties: [
        { name: "a", value: Buffer.alloc(0) },
        { name: "a", value: Buffer.from("1") },
        { name: "b", value: Buffer.from("2") },
      ],
    },
  });
  expect(whole[2]).toMatchObject({ reasonCodes: [0, 1, 2, 0x87] });
  expect(whole[6]).toMatchObject({ messageId: 6, reasonCode: 0x92 });
  expect(whole[9]).toMatchObject({ reasonCode: 0x9d, properties: { serverReference: "other" } });
});

test("user properties keep the order of their sender", () => {
  const pair = (name: string, value: string): Buffer =>
    Buffer.concat([name, value].flatMap((text) => [Buffer.of(0, text.length), Buffer.from(text)]));
  const pairs = [pair("b", "1"), pair("7", "2"), pair("b", "")].map((one) =>
    Buffer.concat([Buffer.of(0x26), one]),
  );
  const properties = Buffer.concat(pairs);
  const body = Buffer.concat([Buffer.of(0, 1, 0x61, properties.length), properties]);
  const [packet] = decode(Buffer.concat([Buffer.of(0x30, body.length), body]));
  const came = packet?.cmd === "publish" ? packet.properties.userProperties : undefined;
  expect(came?.map(({ name, value }) => name + Buffer.from(value).toString())).toEqual([
    "b1",
    "72",
    "b",
  ]);
});

test("says how much it holds and how much is to come", () => {
  const decoder = new PacketDecoder(() => {});
  const bytes = bytesOf({ ...message, payload: Buffer.alloc(100_000) });
  expect(decoder.parse(bytes.subarray(0, 1000))).toBe(1000);
  expect(decoder.announced).toBe(bytes.length);
  expect(decoder.parse(bytes.subarray(1000))).toBe(0);
});

test.each([
  ["a length without end", "30ffffffff7f"],
  ["QoS 3", "36040001610000"],
  ["flags that are none", "d100"],
  ["what only a client sends", "8200"],
  ["a topic beyond its packet", "3003000961"],
  ["an unknown property", "3006000161027f00"],
  ["a property twice", "30080001610401000101"],
  ["properties beyond their packet", "3004000161ff"],
  ["no packet identifier", "400100"],
])("throws at %s", (_, hex) => {
  expect(() => decode(Buffer.from(hex, "hex"))).toThrow();
});

test("throws at a packet that is too large before it has come", () => {
  const decoder = new PacketDecoder(() => {}, 100);
  expect(() => decoder.parse(Buffer.from("30ff7f", "hex"))).toThrow("maximumPacketSize");
});
