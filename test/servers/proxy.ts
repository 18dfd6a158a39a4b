import { setMaxListeners } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

/** Where a proxy listens, and the faults it can be told to have. Faults add up until `heal`. */
export interface Proxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Connections open through the proxy now. */
  readonly connections: number;
  /** Resets every open connection, on both sides. New ones are served as before. */
  cut(): void;
  /** Swallows: connections stay open and are accepted, and no byte passes either way until `heal`. */
  stall(): void;
  /** Ends every open connection on the server's side; the client's stays open, and nobody answers on it any more. */
  halfOpen(): void;
  /** Holds every byte back for this many milliseconds in each direction, order kept. */
  delay(milliseconds: number): void;
  /** Resets every open connection and each new one at once, until `heal`. */
  refuse(): void;
  /** Ends all faults. What was held back by `stall` goes on its way. */
  heal(): void;
  /** Where connections made from now on go. */
  retarget(target: { host: string; port: number }): void;
  /** Resolves once `connections` is what is asked for, or rejects after the time-out (5 s). */
  connected(count: number, timeout?: number): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
}

/** Starts a TCP proxy on a free port of 127.0.0.1 that forwards to `target`. Disposing it resets what is open. */
export async function startProxy(target: { host: string; port: number }): Promise<Proxy> {
  const pairs = new Set<Pair>();
  const changes = new EventTarget();
  // While nothing passes, each connection waits in both directions.
  setMaxListeners(0, changes);
  let to = { host: target.host, port: target.port };
  let stalled = false;
  let refusing = false;
  let latency = 0;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (refusing) {
      client.on("error", ignore);
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ ...to, allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    const pair = { client, upstream };
    pairs.add(pair);
    changes.dispatchEvent(new Event("change"));
    relay(client, upstream);
    relay(upstream, client);
    let open = 2;
    for (const socket of [client, upstream]) {
      socket.once("close", () => {
        if (--open > 0) return;
        pairs.delete(pair);
        changes.dispatchEvent(new Event("change"));
      });
    }
  });

  /** Copies one direction. A reset of the one side becomes a reset of the other. */
  function relay(from: Socket, into: Socket): void {
    let sent = Promise.resolve();
    const pass = (act: () => void | Promise<void>): void => {
      const due = performance.now() + latency;
      from.pause();
      sent = sent.then(async () => {
        await waitUntil(due);
        await healed();
        if (!into.destroyed) await act();
        // With a latency the bytes behind must not wait for those before them, so reading went on already.
        if (!from.destroyed) from.resume();
      });
      if (latency > 0) from.resume();
    };
    from.on("data", (chunk: Buffer) => {
      pass(() => (into.write(chunk) ? undefined : drained(into)));
    });
    from.on("end", () => {
      pass(() => void into.end());
    });
    from.on("error", () => {
      into.resetAndDestroy();
    });
    from.on("close", (hadError) => {
      if (hadError) into.resetAndDestroy();
    });
  }

  function healed(): Promise<void> | undefined {
    if (!stalled) return undefined;
    return new Promise((resolve) => {
      changes.addEventListener("healed", () => resolve(), { once: true });
    });
  }

  function cut(): void {
    for (const { client, upstream } of pairs) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
  }

  function heal(): void {
    stalled = false;
    refusing = false;
    latency = 0;
    changes.dispatchEvent(new Event("healed"));
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    host: "127.0.0.1",
    port,
    get connections() {
      return pairs.size;
    },
    cut,
    stall() {
      stalled = true;
    },
    halfOpen() {
      // What the client sends is read and goes nowhere.
      for (const { upstream } of pairs) upstream.resetAndDestroy();
    },
    delay(milliseconds) {
      latency = milliseconds;
    },
    refuse() {
      refusing = true;
      cut();
    },
    heal,
    retarget(target) {
      to = { host: target.host, port: target.port };
    },
    connected(count, timeout = 5_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          changes.removeEventListener("change", check);
          reject(
            new Error(`proxy has ${pairs.size} connections after ${timeout} ms, not ${count}`),
          );
        }, timeout);
        function check(): void {
          if (pairs.size !== count) return;
          clearTimeout(timer);
          changes.removeEventListener("change", check);
          resolve();
        }
        changes.addEventListener("change", check);
        check();
      });
    },
    async [Symbol.asyncDispose]() {
      cut();
      heal();
      await close(server);
    },
  };
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
  });
}

function waitUntil(due: number): Promise<void> | undefined {
  const rest = due - performance.now();
  if (rest <= 0) return undefined;
  return new Promise((resolve) => setTimeout(resolve, Math.ceil(rest)));
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function ignore(): void {
  // The other side may reset first.
}
