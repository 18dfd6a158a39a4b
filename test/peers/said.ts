import { createInterface } from "node:readline";

/** Prints what the test reads. */
export function say(value: object): void {
  process.stdout.write(`=${JSON.stringify(value)}\n`);
}

/** Takes the lines of standard input, and ends the process with it. */
export function onAsked(take: (asked: { readonly op: string }) => void): void {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => take(JSON.parse(line) as { readonly op: string }));
  lines.on("close", () => process.exit(0));
}

/** Calls that a server holds until it is told to release them. */
export class Holds {
  readonly #held = new Set<() => void>();

  /** `end` answers it; `onCancelled` is given what to call when the caller leaves before. */
  add(end: () => void, onCancelled: (cancelled: () => void) => void): void {
    const held = (): void => {
      this.#held.delete(held);
      end();
    };
    this.#held.add(held);
    say({ event: "holding", count: this.#held.size });
    onCancelled(() => {
      if (this.#held.delete(held)) say({ event: "cancelled" });
    });
  }

  release(): void {
    for (const end of this.#held) end();
  }
}
