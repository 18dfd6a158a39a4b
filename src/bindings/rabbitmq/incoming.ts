import { IncomingMessage } from "../../memory/incoming-message.ts";
import type { MemoryShare } from "../../memory/budget.ts";

/** The parts of the driver's connection that are used here. */
type FrameReader = {
  recvFrame(): false | { id?: number; channel?: number; size?: number; content?: Buffer };
  stream?: { destroy(error: Error): void; once(event: "close", listener: () => void): void };
};

const basicProperties = 60;

/** Counts the message that is coming in. The connection breaks at one that is too large, which the driver would gather. */
export function countIncoming(connection: object, memory: MemoryShare): void {
  const reader = connection as FrameReader;
  if (typeof reader.recvFrame !== "function") return;
  const incoming = new IncomingMessage(memory);
  /** Announced and not here yet, by channel. */
  const missing = new Map<number, { size: number; left: number }>();
  let announced = 0;
  const receive = reader.recvFrame.bind(reader);
  reader.recvFrame = () => {
    const frame = receive();
    if (frame === false) return frame;
    const { channel = 0, size = 0, content } = frame;
    const message = missing.get(channel);
    if (frame.id === basicProperties) {
      announced += size;
      if (size > 0) missing.set(channel, { size, left: size });
    } else if (content !== undefined && message !== undefined) {
      message.left -= content.length;
      if (message.left > 0) return frame;
      missing.delete(channel);
      announced -= message.size;
    } else return frame;
    const refusal = incoming.holds(announced);
    if (refusal !== undefined) reader.stream?.destroy(new Error(refusal));
    return frame;
  };
  reader.stream?.once("close", () => incoming.release());
}
