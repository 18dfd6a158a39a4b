import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** A message of a topic, as google.pubsub.v1 has it. Field numbers are those of its published definition. */
export type PubsubMessage = {
  readonly data: Uint8Array;
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly id: string;
  /** Nanoseconds since 1970. */
  readonly publishTime: bigint;
  /** Empty: none. */
  readonly orderingKey: string;
};

export type ReceivedMessage = PubsubMessage & {
  readonly ackId: string;
  /** 0: the subscription has no dead letters, and does not count. */
  readonly attempt: number;
};

export type StreamAnswer = {
  readonly messages: readonly ReceivedMessage[];
  readonly exactlyOnce: boolean;
  readonly ordered: boolean;
};

export type StreamOpening = {
  readonly subscription: string;
  /** Seconds. */
  readonly ackDeadline: number;
  readonly clientId: string;
  readonly maxMessages: number;
  readonly maxBytes: number;
};

const nothing = new Uint8Array();

/** PublishRequest with one message. */
export function encodePublish(
  topic: string,
  message: Pick<PubsubMessage, "data" | "attributes" | "orderingKey">,
): Uint8Array {
  const inner = new BinaryWriter();
  if (message.data.length > 0) inner.tag(1, WireType.LengthDelimited).bytes(message.data);
  for (const [name, value] of message.attributes) {
    inner.tag(2, WireType.LengthDelimited).fork();
    inner.tag(1, WireType.LengthDelimited).string(name);
    inner.tag(2, WireType.LengthDelimited).string(value).join();
  }
  if (message.orderingKey) inner.tag(5, WireType.LengthDelimited).string(message.orderingKey);
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(topic);
  writer.tag(2, WireType.LengthDelimited).bytes(inner.finish());
  return writer.finish();
}

/** The first StreamingPullRequest of a stream. */
export function encodeOpening(opening: StreamOpening): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(opening.subscription);
  writer.tag(5, WireType.Varint).int32(opening.ackDeadline);
  writer.tag(6, WireType.LengthDelimited).string(opening.clientId);
  writer.tag(7, WireType.Varint).int64(opening.maxMessages);
  writer.tag(8, WireType.Varint).int64(opening.maxBytes);
  return writer.finish();
}

export function encodeAcknowledge(subscription: string, ackIds: readonly string[]): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(subscription);
  for (const ackId of ackIds) writer.tag(2, WireType.LengthDelimited).string(ackId);
  return writer.finish();
}

/** ModifyAckDeadlineRequest. */
export function encodeDeadline(
  subscription: string,
  seconds: number,
  ackIds: readonly string[],
): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(subscription);
  writer.tag(3, WireType.Varint).int32(seconds);
  for (const ackId of ackIds) writer.tag(4, WireType.LengthDelimited).string(ackId);
  return writer.finish();
}

/** StreamingPullResponse. Throws where the bytes are none. */
export function decodeStreamAnswer(bytes: Uint8Array): StreamAnswer {
  const messages: ReceivedMessage[] = [];
  let exactlyOnce = false;
  let ordered = false;
  fields(bytes, (field, reader) => {
    if (field === 1) messages.push(decodeReceived(reader.bytes()));
    else if (field === 4)
      fields(reader.bytes(), (property, inner) => {
        if (property === 1) exactlyOnce = inner.bool();
        else if (property === 2) ordered = inner.bool();
        else return false;
        return true;
      });
    else return false;
    return true;
  });
  return { messages, exactlyOnce, ordered };
}

function decodeReceived(bytes: Uint8Array): ReceivedMessage {
  let ackId = "";
  let attempt = 0;
  let message: PubsubMessage | undefined;
  fields(bytes, (field, reader) => {
    if (field === 1) ackId = reader.string();
    else if (field === 2) message = decodeMessage(reader.bytes());
    else if (field === 3) attempt = reader.int32();
    else return false;
    return true;
  });
  return { ...(message ?? decodeMessage(nothing)), ackId, attempt };
}

function decodeMessage(bytes: Uint8Array): PubsubMessage {
  let data: Uint8Array = nothing;
  const attributes: [string, string][] = [];
  let id = "";
  let publishTime = 0n;
  let orderingKey = "";
  fields(bytes, (field, reader) => {
    if (field === 1) data = reader.bytes();
    else if (field === 2) attributes.push(decodeAttribute(reader.bytes()));
    else if (field === 3) id = reader.string();
    else if (field === 4) publishTime = decodeTime(reader.bytes());
    else if (field === 5) orderingKey = reader.string();
    else return false;
    return true;
  });
  return { data, attributes, id, publishTime, orderingKey };
}

function decodeAttribute(bytes: Uint8Array): [string, string] {
  const pair: [string, string] = ["", ""];
  fields(bytes, (field, reader) => {
    if (field !== 1 && field !== 2) return false;
    pair[field - 1] = reader.string();
    return true;
  });
  return pair;
}

function decodeTime(bytes: Uint8Array): bigint {
  let nanoseconds = 0n;
  fields(bytes, (field, reader) => {
    if (field === 1) nanoseconds += BigInt(reader.int64()) * 1_000_000_000n;
    else if (field === 2) nanoseconds += BigInt(reader.int32());
    else return false;
    return true;
  });
  return nanoseconds;
}

/** Hands each field over; what `take` does not take is skipped. */
function fields(bytes: Uint8Array, take: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!take(field, reader)) reader.skip(type, field);
  }
}

/**
 * What became of each acknowledgement of a subscription with exactly-once delivery, by its id: the metadata of the
 * `google.rpc.ErrorInfo` among the details of a `google.rpc.Status`. Those that are not named were taken.
 */
export function decodeAckFailures(status: Uint8Array | undefined): ReadonlyMap<string, string> {
  const failures = new Map<string, string>();
  if (status === undefined) return failures;
  const readPair = (bytes: Uint8Array): void => {
    const [ackId, why] = decodeAttribute(bytes);
    if (/^(PERMANENT|TRANSIENT)_FAILURE_/.test(why)) failures.set(ackId, why);
  };
  const readDetail = (bytes: Uint8Array): void => {
    let isErrorInfo = false;
    fields(bytes, (field, reader) => {
      if (field === 1) isErrorInfo = reader.string().endsWith("/google.rpc.ErrorInfo");
      else if (field === 2 && isErrorInfo)
        fields(reader.bytes(), (inner, info) => {
          if (inner !== 3) return false;
          readPair(info.bytes());
          return true;
        });
      else return false;
      return true;
    });
  };
  try {
    fields(status, (field, reader) => {
      if (field !== 3) return false;
      readDetail(reader.bytes());
      return true;
    });
  } catch {
    // The status's own code and text have come all the same.
  }
  return failures;
}
