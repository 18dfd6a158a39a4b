import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { crc32, unzip } from "node:zlib";
import type { Header, InboundEvent } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import type { Incoming } from "./answers.ts";

const unpack = promisify(unzip);

/** Unpacked; a message has 4 MiB at most unless the broker was set otherwise. */
const largestBody = 64 * 1024 * 1024;
const digests = { crc32: 1, md5: 2, sha1: 3 } as const;

/** What a reader adds to each event. */
export type Surroundings = {
  readonly group: string;
  readonly broker: string;
  readonly subscription: { readonly type: string; readonly expression: string };
};

/** Throws a `BindingError`: it is damaged. */
export async function bodyOf({ body, digest, isGzipped }: Incoming): Promise<Uint8Array> {
  if (digest !== undefined && !isDigestOf(body, digest))
    throw new BindingError("data_loss", "its body is not what its digest says");
  if (!isGzipped) return body;
  try {
    return await unpack(body, { maxOutputLength: largestBody });
  } catch (error) {
    throw new BindingError("data_loss", "its body cannot be unpacked", { cause: error });
  }
}

function isDigestOf(
  body: Uint8Array,
  { type, checksum }: NonNullable<Incoming["digest"]>,
): boolean {
  const wanted = checksum.toLowerCase();
  if (type === digests.crc32) {
    const sum = crc32(body);
    return wanted === String(sum) || Number.parseInt(wanted, 16) === sum;
  }
  const algorithm = type === digests.md5 ? "md5" : type === digests.sha1 ? "sha1" : undefined;
  return algorithm === undefined || createHash(algorithm).update(body).digest("hex") === wanted;
}

/** Makes a message an event. */
export function eventOf(
  message: Incoming,
  data: Uint8Array,
  { group, broker, subscription }: Surroundings,
  rest: Pick<InboundEvent, "lease" | "settle">,
): InboundEvent {
  const { id, tag, keys, attempt, topic, bornAt, bornHost, queue, offset, trace } = message;
  const optional = {
    "rocketmq-tag": tag,
    "rocketmq-key": keys.join(" "),
    "rocketmq-message-group": message.group,
    "rocketmq-born-time": bornAt > 0 ? new Date(bornAt).toISOString() : "",
    "rocketmq-born-host": bornHost,
    traceparent: trace,
  };
  return {
    data,
    metadata: {
      "rocketmq-sub-type": subscription.type,
      "rocketmq-sub-expression": subscription.expression,
      "rocketmq-consumerGroup": group,
      "rocketmq-broker-name": broker,
      "rocketmq-topic": topic,
      "rocketmq-message-id": id,
      "rocketmq-queue": String(queue),
      "rocketmq-offset": offset,
      ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== "")),
    },
    headers: message.properties.map(([name, value]): Header => ({
      name,
      value: Buffer.from(value),
    })),
    key: message.group === "" ? undefined : message.group,
    id,
    ...(attempt > 0 ? { attempt, redelivered: attempt > 1 } : {}),
    ...rest,
  };
}
