import { expect, test } from "vitest";
import { messagesOf } from "../../../../src/bindings/aws/aws.kinesis/event-stream.ts";

/** As AWS's `@smithy/eventstream-codec` 4.5.2 writes it, with headers of four types. */
const vector = Buffer.from(
  "0000009500000077b2a593960d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507001" +
    "5537562736372696265546f53686172644576656e740d3a636f6e74656e742d7479706507001a6170706c69636174696f" +
    "6e2f782d616d7a2d6a736f6e2d312e31026f6e00016e0400000005016206000201027b225265636f726473223a5b5d7d2ed4a9c6",
  "hex",
);

async function read(...parts: Buffer[]) {
  const messages: { headers: object; payload: string }[] = [];
  const body = (async function* () {
    yield* parts;
  })();
  for await (const { headers, payload } of messagesOf(body))
    messages.push({ headers: Object.fromEntries(headers), payload: payload.toString() });
  return messages;
}

const message = {
  headers: {
    ":message-type": "event",
    ":event-type": "SubscribeToShardEvent",
    ":content-type": "application/x-amz-json-1.1",
  },
  payload: '{"Records":[]}',
};

test("a message as AWS's library writes it, wherever it is cut", async () => {
  for (let at = 0; at <= vector.length; at++)
    expect(await read(vector.subarray(0, at), vector.subarray(at))).toEqual([message]);
  expect(await read(vector, vector)).toEqual([message, message]);
  expect(await read(Buffer.concat([vector, vector, vector]))).toHaveLength(3);
});

test("no byte of it can change unnoticed", async () => {
  for (let at = 0; at < vector.length; at++) {
    const changed = Buffer.from(vector);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    await expect(read(changed)).rejects.toThrow("the event stream cannot be read");
  }
});

test("one that is cut off", async () => {
  for (let at = 1; at < vector.length; at++)
    await expect(read(vector.subarray(0, at))).rejects.toThrow("it ends within a message");
});
