import type { BaseOptions, ClusterMetadata, ConsumerOptions } from "@platformatic/kafka";
import type { Logger } from "../../binding.ts";
import { assignerOf } from "./assignment.ts";
import type { Strategy } from "./assignment.ts";
import { orDefault } from "./client.ts";
import type { KafkaMetadata } from "./fields.ts";

const rebalanceTimeout = 60_000;

/**
 * What a member of the group is made with. `beforeJoin` is awaited before each join, with the topics as they are then. It
 * is the moment to let go of partitions, and gives what the group's leader is told of us.
 */
export function groupOptions(
  metadata: KafkaMetadata,
  options: BaseOptions,
  groupId: string,
  strategy: Strategy,
  beforeJoin: (cluster: ClusterMetadata) => Promise<Buffer>,
): ConsumerOptions<Buffer, Buffer, Buffer, Buffer> {
  const sessionTimeout = orDefault(metadata.sessionTimeout, 10_000);
  return {
    ...options,
    groupId,
    // A join is answered when every member has come.
    requestTimeout: Math.max(options.requestTimeout ?? 0, rebalanceTimeout + 30_000),
    sessionTimeout,
    rebalanceTimeout: Math.max(rebalanceTimeout, sessionTimeout),
    heartbeatInterval: Math.min(orDefault(metadata.heartbeatInterval, 3000), sessionTimeout / 3),
    heartbeatStallTimeout: sessionTimeout * 2,
    protocols: [{ name: strategy, version: 1 }],
    partitionAssigner: assignerOf(strategy),
    protocolsMetadata: (_protocols, _topics, cluster) => beforeJoin(cluster),
    retries: 10,
    retryDelay: Math.max(100, metadata.consumeRetryInterval),
  };
}

/** The strategy that the metadata names; `range`, with a warning, for a text that is none. */
export function strategyOf(
  { consumerGroupRebalanceStrategy: text }: KafkaMetadata,
  logger: Logger,
): Strategy {
  const wanted = text.toLowerCase();
  if (wanted === "range" || wanted === "roundrobin" || wanted === "sticky") return wanted;
  logger.warn(
    { consumerGroupRebalanceStrategy: text },
    "the strategy is none of range, sticky and roundrobin; range is used",
  );
  return "range";
}
