import { randomInt } from "node:crypto";

/**
 * The partition of a message as Dapr chooses it: FNV-1a of the key as a signed 32-bit number, modulo
 * the number of partitions, without its sign; without a key any partition. It is not the one that
 * Kafka's own clients choose.
 */
export function partitionFor(key: Uint8Array | undefined, partitions: number): number {
  if (key === undefined) return randomInt(partitions);
  let hash = 0x811c9dc5;
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193);
  return Math.abs((hash | 0) % partitions);
}
