import type { OpenedSource, Source } from "../faults/opened-source.ts";
import type { ComponentYaml } from "../faults/runtime-process.ts";
import { cron } from "../faults/sources/cron.ts";
import { file } from "../faults/sources/file.ts";
import { kafka } from "../faults/sources/kafka.ts";
import { postgres } from "../faults/sources/postgres.ts";
import { redisStreams } from "../faults/sources/redis.streams.ts";

/** A source as a fleet reads it. */
export type FleetSource = {
  readonly name: string;
  readonly source: Source;
  /** How replicas share it: one of them reads it; all read it; or one reads it and all deliver. */
  readonly reads: "one" | "all" | "relay";
  /** Whether order by key is promised over the whole fleet. */
  readonly ordered: boolean;
  /** Whether some of its events are always refused, so that they end in the dead letters. */
  readonly poisonEvery?: number;
  /** What a component's metadata says beside the source's own. */
  readonly metadata: (replica: string) => ComponentYaml["metadata"];
};

/** A tick each second; those missed while no replica owned it come later. */
export const ticks: FleetSource = {
  ...{ name: "cron", source: cron, reads: "one", ordered: true },
  metadata: () => ({ singleton: "true", catchUp: "all" }),
};

export const files: FleetSource = {
  ...{ name: "file", source: file, reads: "one", ordered: false },
  metadata: () => ({ singleton: "true" }),
};

/** A consumer group of Redis, with a consumer for each replica. Some events end in the dead letters, in the common store. */
export const entries: FleetSource = {
  ...{ name: "redis.streams", source: redisStreams, reads: "all", ordered: false },
  poisonEvery: 25,
  metadata: (replica) => ({
    ...{ consumer: replica, claimAfter: "5s" },
    ...{ backOffDuration: "200ms", backOffMaxRetries: "1" },
  }),
};

/** A replication slot of PostgreSQL: one replica reads the changes, and all deliver them. */
export const changes: FleetSource = {
  ...{ name: "postgres, relayed", source: postgres, reads: "relay", ordered: true },
  metadata: () => ({ relay: "true" }),
};

/** The same stream, read by one replica and delivered by all. `metadata`: more of the component's. */
export function relayedEntries(metadata: ComponentYaml["metadata"] = {}): FleetSource {
  return {
    ...{ name: "redis.streams, relayed", source: redisStreams, reads: "relay", ordered: true },
    metadata: () => ({ relay: "true", ...metadata }),
  };
}

/** A topic of Kafka, parted among the replicas by its group. */
export const records: FleetSource = {
  ...{ name: "kafka", source: kafka, reads: "all", ordered: false },
  metadata: () => ({}),
};

/** Its component in a replica. */
export function componentOf(
  { metadata }: FleetSource,
  { component }: OpenedSource,
  replica: string,
): ComponentYaml {
  return { ...component, metadata: { ...component.metadata, ...metadata(replica) } };
}
