import type { Redis } from "ioredis";
import { IncomingMessage } from "../../memory/incoming-message.ts";
import type { MemoryShare } from "../../memory/budget.ts";

/** The parts of the driver that are used here. */
type Inside = {
  readonly stream: {
    on(event: "data", listener: (chunk: Buffer) => void): void;
    once(event: "close", listener: () => void): void;
    destroy(error: Error): void;
  };
  readonly commandQueue: { peekFront(): unknown };
};

/** Counts the reply that is coming in on each connection of a client, which breaks at one that is too large. */
export function countReplies(client: Redis, memory: MemoryShare): void {
  client.on("connect", () => {
    const { stream, commandQueue } = client as unknown as Inside;
    const incoming = new IncomingMessage(memory);
    let waiting: unknown;
    let bytes = 0;
    // The driver has looked at the chunk before.
    stream.on("data", (chunk) => {
      const next = commandQueue.peekFront();
      // No reply was whole with this chunk: all of it belongs to the one that came before.
      if (next === undefined) bytes = 0;
      else bytes = next === waiting ? bytes + chunk.length : chunk.length;
      waiting = next;
      const refusal = incoming.holds(bytes);
      if (refusal !== undefined) stream.destroy(new Error(refusal));
    });
    stream.once("close", () => incoming.release());
  });
}
