import type { NatsConnection } from "@nats-io/transport-node";
import type { MemoryShare } from "../memory/budget.ts";
import { IncomingMessage } from "../memory/incoming-message.ts";

/** The parts of the driver that are used here. */
type Inside = {
  readonly protocol?: {
    readonly parser?: {
      parse(bytes: Uint8Array): void;
      readonly ma?: { readonly size?: number };
      readonly msgBuf?: { readonly length: number } | undefined;
    };
    readonly transport?: { close(error: Error): Promise<void>; discard(): void };
  };
};

/** Counts the message that is coming in. The connection breaks at one that is too large, which the driver would gather. */
export function countIncoming(connection: NatsConnection, memory: MemoryShare): void {
  const { protocol } = connection as unknown as Inside;
  const parser = protocol?.parser;
  if (protocol === undefined || typeof parser?.parse !== "function") return;
  const incoming = new IncomingMessage(memory);
  const parse = parser.parse.bind(parser);
  parser.parse = (bytes) => {
    parse(bytes);
    const size = parser.msgBuf === undefined ? 0 : (parser.ma?.size ?? 0);
    const refusal = incoming.holds(size);
    if (refusal !== undefined) void protocol.transport?.close(new Error(refusal));
  };
  void connection.closed().then(() => incoming.release());
}

/** Destroys the socket, whatever it still has to send. */
export function discard(connection: NatsConnection): void {
  (connection as unknown as Inside).protocol?.transport?.discard();
}
