import { timeText } from "../../../../src/bindings/aws/aws.kinesis/lease-time.ts";
import type { TestStream } from "./contract-source.ts";

/**
 * A lease as vmware-go-kcl-v2 v1.0.0 writes it, all attributes texts: `ShardID` (the table's hash key), `AssignedTo` (the
 * worker, which with Dapr is called as the consumer; taken away when the lease is given back), `LeaseTimeout` (RFC 3339 in
 * UTC with up to nine digits of a second, without zeros at the end), and where there is one `ParentShardId`,
 * `Checkpoint` (the sequence number of the last record of a batch, or SHARD_END; after a claim perhaps the empty text) and
 * `ClaimRequest` (the worker that wants the shard). It puts items as a whole: with the condition that nobody had the
 * lease, or that owner and time are those it has read; a checkpoint with no condition at all.
 */
export function libraryLease(
  { consumerName }: Pick<TestStream, "consumerName">,
  shard: string,
  {
    endsIn = -1_000,
    ...more
  }: { readonly endsIn?: number } & Readonly<Record<string, unknown>> = {},
): Record<string, string> {
  // Nine digits, as Go's clock gives them.
  const LeaseTimeout = timeText(Date.now() + endsIn).replace(/(\.\d+)?Z$/, ".123456789Z");
  return { ShardID: shard, AssignedTo: consumerName, LeaseTimeout, ...(more as object) };
}
