import type { Header, InboundEvent } from "../../../binding.ts";
import type { GroupPlace } from "./consumer-group.ts";
import type { Content, ReadLog } from "./log-group.ts";

export type LogEventOptions = {
  readonly place: GroupPlace;
  readonly shard: number;
  readonly id: string;
  readonly inOrder: boolean;
  readonly dataKey: string | undefined;
};

/** A log as an event: one value of it, or all of it as a JSON object. */
export function logEvent(
  log: ReadLog,
  { place, shard, id, inOrder, dataKey }: LogEventOptions,
  settle: InboundEvent["settle"],
): InboundEvent {
  const { project, logstore, group, consumer } = place;
  const at = dataKey === undefined ? -1 : log.contents.findIndex(({ key }) => key === dataKey);
  const data = log.contents[at]?.value;
  const others = data === undefined ? [] : log.contents.filter((_, index) => index !== at);
  return {
    data: data ?? jsonOf(log.contents),
    metadata: {
      ...{ project, logstore, consumerGroup: group, consumer, shard: String(shard) },
      ...{ topic: log.topic, source: log.source, time: String(log.time) },
    },
    headers: [...others.map(headerOf), ...log.tags.map(tagOf)],
    ...(inOrder ? { key: String(shard) } : {}),
    ...{ id, settle },
  };
}

function jsonOf(contents: readonly Content[]): Uint8Array {
  const texts = contents.map(({ key, value }) => [key, Buffer.from(value).toString("utf8")]);
  return Buffer.from(JSON.stringify(Object.fromEntries(texts)));
}

function headerOf({ key, value }: Content): Header {
  return { name: key, value };
}

function tagOf({ key, value }: Content): Header {
  return { name: `__tag__:${key}`, value };
}
