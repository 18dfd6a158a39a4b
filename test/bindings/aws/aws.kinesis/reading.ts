import type { InboundEvent } from "../../../../src/binding.ts";
import type { OpenedInput } from "../../opened-input.ts";
import type { TestStream } from "./contract-source.ts";

export const textOf = ({ data }: InboundEvent): string => Buffer.from(data ?? []).toString();
export const textsOf = ({ events }: OpenedInput): string[] => events.map((event) => textOf(event));
export const handle = ({ settle }: InboundEvent): void => settle({ outcome: "handled" });

/** What the lease table has of a shard. */
export async function leaseOf(stream: TestStream, shard: string): Promise<Record<string, string>> {
  const item = (await stream.leases()).get(shard) ?? {};
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, value?.S ?? ""]));
}
