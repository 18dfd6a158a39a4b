import { setImmediate as turn } from "node:timers/promises";

/** Work goes on for so long before others have their turn, in milliseconds. */
const longest = 5;

/** Long work in slices: ask after each step, and let others have their turn where a slice is over. */
export class Slices {
  #began = performance.now();

  get isOver(): boolean {
    return performance.now() - this.#began >= longest;
  }

  /** Others have their turn; then the next slice begins. */
  async pause(): Promise<void> {
    await turn();
    this.#began = performance.now();
  }
}

/** The bytes of a text that comes in pieces, made in slices. */
export async function bytesOfPieces(pieces: Iterable<string>): Promise<Buffer> {
  const slices = new Slices();
  const written: Buffer[] = [];
  for (const piece of pieces) {
    written.push(Buffer.from(piece));
    if (slices.isOver) await slices.pause();
  }
  return Buffer.concat(written);
}
