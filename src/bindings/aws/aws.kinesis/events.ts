import type { InboundEvent } from "../../../binding.ts";
import { aggregatedIn } from "./aggregated.ts";
import { idOf } from "./progress.ts";
import type { Progress, Settle } from "./progress.ts";
import type { KinesisRecord } from "./stream.ts";

/** Where records come from, and who is told what becomes of them. */
export type EventPlace = {
  readonly stream: string;
  readonly shard: string;
  readonly progress: Progress;
  readonly revoked: AbortSignal;
  /** Called after an event was settled. */
  readonly settled: () => void;
};

/** Makes a record its events: one, or those that the producer library put into it. What was handled before is left out. */
export function eventsOf(record: KinesisRecord, place: EventPlace): InboundEvent[] {
  const { progress } = place;
  const { sequence, key, data } = record;
  const aggregated = aggregatedIn(record);
  if (aggregated === undefined) {
    const settle = progress.deliver({ sequence, sub: undefined }, true);
    return settle ? [eventOf(record, { sub: undefined, key, data }, place, settle)] : [];
  }
  if (aggregated.length === 0) progress.pass(sequence);
  return aggregated.flatMap((one, sub) => {
    const settle = progress.deliver({ sequence, sub }, sub === aggregated.length - 1);
    return settle ? [eventOf(record, { sub, ...one }, place, settle)] : [];
  });
}

function eventOf(
  { sequence, arrived }: KinesisRecord,
  { sub, key, data }: { sub: number | undefined; key: string; data: Uint8Array },
  { stream, shard, revoked, settled }: EventPlace,
  settle: Settle,
): InboundEvent {
  const metadata: Record<string, string> = {
    streamName: stream,
    shardId: shard,
    sequenceNumber: sequence,
    partitionKey: key,
  };
  if (sub !== undefined) metadata["subSequenceNumber"] = String(sub);
  if (arrived !== undefined) metadata["approximateArrivalTimestamp"] = String(arrived);
  return {
    data,
    metadata,
    headers: [],
    key,
    id: `${shard}:${idOf({ sequence, sub })}`,
    revoked,
    settle({ outcome }) {
      settle(outcome === "handled");
      settled();
    },
  };
}
