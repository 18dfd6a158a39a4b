import net from "node:net";
import { vi } from "vitest";
import { Http2ClientConnection } from "../../src/http2/client-connection.ts";
import { ConnectionGroup, type ConnectionMemory } from "../../src/http2/connection-group.ts";
import type { Http2Connection } from "../../src/http2/connection.ts";
import type { HeaderBlock } from "../../src/http2/header-block.ts";
import { Http2ServerConnection } from "../../src/http2/server-connection.ts";
import type { Http2Stream, StreamListener, StreamReset } from "../../src/http2/stream.ts";

/** What a stream's listener was told. */
export class Told implements StreamListener {
  head: HeaderBlock | undefined;
  readonly parts: Buffer[] = [];
  isEnded = false;
  trailers: HeaderBlock | undefined;
  drains = 0;
  closes = 0;
  reset: StreamReset | undefined;
  /** Called after anything was told. */
  onTold: () => void = () => {};

  get body(): Buffer {
    return Buffer.concat(this.parts);
  }

  headers(block: HeaderBlock): void {
    this.head = block;
    this.onTold();
  }

  data(part: Buffer): void {
    // The part is a view of what the socket has read.
    this.parts.push(Buffer.from(part));
    this.onTold();
  }

  ended(trailers: HeaderBlock | undefined): void {
    this.isEnded = true;
    this.trailers = trailers;
    this.onTold();
  }

  drained(): void {
    this.drains += 1;
    this.onTold();
  }

  closed(reset: StreamReset | undefined): void {
    this.closes += 1;
    this.reset = reset;
    this.onTold();
  }
}

/** A request as the server has got it. */
export type Taken = {
  readonly stream: Http2Stream;
  readonly head: HeaderBlock;
  readonly told: Told;
};

export type Pair = {
  readonly client: Http2ClientConnection;
  readonly server: Http2ServerConnection;
  readonly group: ConnectionGroup<Http2Connection>;
  readonly taken: Taken[];
  /** Why each side has closed. */
  readonly closed: { client?: string; server?: string };
  /** What the client was told of GOAWAY: the last streams. */
  readonly goaways: number[];
  close(): Promise<void>;
};

export type PairOptions = {
  readonly memory?: ConnectionMemory;
  /** Called for each request. */
  readonly onTaken?: (taken: Taken) => void;
};

/** Both sides of a connection on a socket of the loopback, ready to be used. */
export async function connectedPair({ memory, onTaken }: PairOptions = {}): Promise<Pair> {
  const group = new ConnectionGroup<Http2Connection>(memory);
  const taken: Taken[] = [];
  const closed: Pair["closed"] = {};
  const goaways: number[] = [];
  const accepted = Promise.withResolvers<Http2ServerConnection>();
  const listener = net.createServer({ noDelay: true }, (socket) => {
    accepted.resolve(
      new Http2ServerConnection(socket, {
        group,
        onStream(stream, head) {
          const one = { stream, head, told: new Told() };
          taken.push(one);
          onTaken?.(one);
          return one.told;
        },
        onClosed: (reason) => (closed.server = reason),
      }),
    );
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as net.AddressInfo;
  const ready = Promise.withResolvers<void>();
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  const client = new Http2ClientConnection(socket, {
    onReady: ready.resolve,
    onGoaway: (_code, last) => void goaways.push(last),
    onClosed: (reason) => (closed.client = reason),
  });
  const server = await accepted.promise;
  await ready.promise;
  return {
    ...{ client, server, group, taken, closed, goaways },
    async close() {
      client.destroy();
      server.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** The head of a request, and more fields behind it. */
export function requestHead(...more: readonly string[]): string[] {
  const head = [":method", "POST", ":scheme", "http", ":path", "/test", ":authority", "localhost"];
  return [...head, ...more];
}

export const okHead: readonly string[] = [":status", "200"];

/** Waits until nothing is thrown any more, on a busy machine too. */
export function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 20_000, interval: 5 });
}
