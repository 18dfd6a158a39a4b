import type { RawPeer } from "../raw-peer.ts";

/**
 * Sends the bytes again and again, at most so often, until the connection is gone. `withoutReading`: nothing of what comes
 * back is read meanwhile.
 */
export async function flood(
  peer: RawPeer,
  bytes: Buffer | ((round: number) => Buffer),
  { rounds, withoutReading = false }: { rounds: number; withoutReading?: boolean },
): Promise<void> {
  if (withoutReading) peer.socket.pause();
  for (let round = 0; round < rounds && !peer.isClosed; round++) {
    const sent = peer.send(typeof bytes === "function" ? bytes(round) : bytes);
    // A server that has had enough takes nothing more.
    await Promise.race([sent, peer.closed, new Promise((resolve) => setTimeout(resolve, 2000))]);
  }
  peer.socket.resume();
}
