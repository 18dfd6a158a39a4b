import { rememberedStreams } from "./limits.ts";

/** How a stream ended: both sides had said all, or who reset it. */
export type StreamEnd = "ended" | "byPeer" | "byUs";

const ends: readonly (StreamEnd | undefined)[] = [undefined, "ended", "byPeer", "byUs"];

/** How the latest streams ended, which tells what a late frame of one means (RFC 9113, section 5.1). */
export class ClosedStreams {
  #ids: Uint32Array | undefined;
  #how: Uint8Array | undefined;

  add(id: number, how: StreamEnd): void {
    this.#ids ??= new Uint32Array(rememberedStreams);
    this.#how ??= new Uint8Array(rememberedStreams);
    // Ids grow by two: the latest have a place each.
    const place = (id >>> 1) % rememberedStreams;
    this.#ids[place] = id;
    this.#how[place] = ends.indexOf(how);
  }

  /** `undefined`: it was never opened, or long ago. */
  find(id: number): StreamEnd | undefined {
    const place = (id >>> 1) % rememberedStreams;
    return this.#ids?.[place] === id ? ends[this.#how?.[place] ?? 0] : undefined;
  }
}
