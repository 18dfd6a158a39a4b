import type { ConnectionMemory } from "../../src/http2/connection-group.ts";

/** The memory of a group of connections, with a limit of the test's own. */
export class CountedMemory implements ConnectionMemory {
  limit: number;
  /** In bytes, now and at the most. */
  used = 0;
  peak = 0;

  constructor(limit: number = 256 * 1024 * 1024) {
    this.limit = limit;
  }

  reserve(bytes: number): boolean {
    if (this.used + bytes > this.limit) return false;
    this.add(bytes);
    return true;
  }

  add(bytes: number): void {
    this.used += bytes;
    if (this.used > this.peak) this.peak = this.used;
  }

  get isFull(): boolean {
    return this.used >= this.limit;
  }
}
