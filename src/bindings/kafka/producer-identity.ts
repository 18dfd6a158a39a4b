import type { Base, ClusterMetadata } from "@platformatic/kafka";
import { connectionTo, requestOf } from "./client.ts";
import type { Driver } from "./client.ts";

/** By what brokers recognise a batch that comes a second time: an id, and a number per partition. */
export type ProducerIdentity = {
  readonly id: bigint;
  readonly epoch: number;
  /** The next number by partition. */
  readonly sequences: Map<number, number>;
};

/** Asks a broker for an identity that nobody has had. */
export async function newIdentity(
  driver: Driver,
  client: Base,
  cluster: ClusterMetadata,
): Promise<ProducerIdentity> {
  const [node] = cluster.brokers.keys();
  const connection = await connectionTo(driver, client, cluster, node ?? -1);
  const request = await requestOf<
    [transactionalId: null, timeout: number, id: bigint, epoch: number],
    { producerId: bigint; producerEpoch: number }
  >(driver, client, "InitProducerId");
  const { producerId, producerEpoch } = await request.async(connection, null, 60_000, -1n, -1);
  return { id: producerId, epoch: producerEpoch, sequences: new Map() };
}
