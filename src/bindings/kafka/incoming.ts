import type { Connection } from "@platformatic/kafka";
import { IncomingMessage } from "../../memory/incoming-message.ts";
import type { MemoryShare } from "../../memory/budget.ts";

const counted = new WeakSet<Connection>();
const lengthBytes = 4;

/**
 * Counts the answer that is coming in on a connection, which breaks at one that is too large. To be called before the
 * first request on it: where one answer ends and the next begins is told by their lengths alone.
 */
export function countAnswers(connection: Connection, memory: MemoryShare): void {
  const { socket } = connection;
  if (counted.has(connection) || socket === undefined) return;
  counted.add(connection);
  const incoming = new IncomingMessage(memory);
  const head = Buffer.alloc(lengthBytes);
  let headLength = 0;
  /** Of the answer that is not whole. */
  let length = 0;
  let received = 0;
  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length;) {
      if (headLength < lengthBytes) {
        const copied = chunk.copy(head, headLength, at);
        headLength += copied;
        at += copied;
        if (headLength < lengthBytes) break;
        length = head.readUInt32BE();
        received = 0;
      }
      const taken = Math.min(chunk.length - at, length - received);
      received += taken;
      at += taken;
      if (received === length) headLength = received = length = 0;
    }
    const refusal = incoming.holds(received) ?? incoming.announced(length);
    if (refusal !== undefined) socket.destroy(new Error(refusal));
  });
  socket.once("close", () => incoming.release());
}
