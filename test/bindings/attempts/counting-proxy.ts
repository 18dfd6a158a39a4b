import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/**
 * What happens to the first request that carries the mark: it is cut before the server has it, or the server gets it and
 * nothing that it says from then on reaches the client. `refuse`: every connection is reset at once, those that are open too.
 */
export type RequestFault = "none" | "cut the request" | "swallow the answer" | "refuse";

/** A TCP proxy that counts the requests which carry a mark on their way to the server. */
export type CountingProxy = AsyncDisposable & {
  readonly host: string;
  readonly port: number;
  /** How often the mark has come from the client. */
  readonly requests: number;
  /** From now on; the two that concern one request happen once. */
  fault: RequestFault;
  /** The server has said something since it got the request whose answer is swallowed. */
  readonly hasSwallowed: boolean;
  /** Resets the client whose answer is swallowed. */
  cut(): void;
};

export async function startCountingProxy(
  target: { readonly host: string; readonly port: number },
  mark: string,
): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  let requests = 0;
  let fault: RequestFault = "none";
  let swallowing: Socket | undefined;
  let hasSwallowed = false;
  const server = createServer((client) => {
    client.on("error", () => undefined);
    if (fault === "refuse") {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(target.port, target.host).setNoDelay(true);
    client.setNoDelay(true);
    upstream.on("error", () => undefined);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    /** The end of what came before, in which the mark may have begun. */
    let tail = "";
    client.on("data", (chunk: Buffer) => {
      const text = tail + chunk.toString("latin1");
      const found = text.split(mark).length - 1;
      requests += found;
      tail = found > 0 ? "" : text.slice(1 - mark.length);
      if (found > 0 && fault === "cut the request") {
        fault = "none";
        // A part of it has reached the server.
        upstream.end(chunk.subarray(0, chunk.indexOf(mark)));
        client.resetAndDestroy();
        return;
      }
      if (found > 0 && fault === "swallow the answer") {
        fault = "none";
        swallowing = client;
      }
      upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      // A first answer may be an acknowledgement of the connection alone: the server must have the whole request.
      if (swallowing === client) hasSwallowed = true;
      else client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    ...{ host: "127.0.0.1", port },
    get requests() {
      return requests;
    },
    get fault() {
      return fault;
    },
    set fault(next) {
      fault = next;
      if (next === "refuse") for (const socket of sockets) socket.destroy();
    },
    get hasSwallowed() {
      return hasSwallowed;
    },
    cut() {
      swallowing?.resetAndDestroy();
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
