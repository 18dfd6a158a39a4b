import { createServer, type Server } from "node:net";
import { bind, type Address } from "../server/listener.ts";
import { listenFailure } from "../server/listen-failure.ts";

/** Ports that no other process has. */
export type ReservedPorts = {
  /** Several workers can listen on each. */
  readonly isShared: boolean;
  /** Why not; empty where they can. */
  readonly why: string;
  /** In the order of the addresses; 0 for a Unix socket. */
  readonly numbers: readonly number[];
  /** Where this worker listens. */
  addressesOf(worker: number): readonly Address[];
  /** Lets the workers have them. */
  free(): Promise<void>;
  /** Lets other processes have them. */
  close(): void;
};

/**
 * Takes each port alone first, so that a process that listens there is noticed: ports that are shared from the start would be
 * shared with it. Between {@link ReservedPorts.free} and the first worker's listening another process may take the port; that
 * worker then says so. Another one with workers cannot: on Linux a name in the abstract namespace, which lives in the same
 * network namespace as the port, is held for as long as this process lives. Rejects with a `BindingError` that names the address.
 */
export async function reservePorts(
  addresses: readonly Address[],
  workers: number,
): Promise<ReservedPorts> {
  const why = workers === 1 ? "" : await whyNotShared(addresses);
  const isShared = why === "";
  const held: Server[] = [];
  const names: Server[] = [];
  const numbers: number[] = [];
  const taken: Address[] = [];
  try {
    for (const address of addresses) {
      if ("socket" in address) {
        numbers.push(0);
        taken.push(address);
        continue;
      }
      const server = createServer();
      await bind(server, address);
      held.push(server);
      const bound = server.address();
      const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
      const own = { ...address, port };
      if (isShared && process.platform === "linux") names.push(await holdName(own));
      numbers.push(port);
      taken.push({ ...own, ...(isShared && { isShared }) });
    }
  } catch (error) {
    for (const server of [...held, ...names]) server.close();
    throw error;
  }
  return {
    ...{ isShared, why, numbers },
    addressesOf: (worker) => (isShared || worker === 0 ? taken : []),
    free: async () => void (await Promise.all(held.map((server) => closed(server)))),
    close() {
      for (const server of names) server.close();
    },
  };
}

async function whyNotShared(addresses: readonly Address[]): Promise<string> {
  if (addresses.some((address) => "socket" in address)) return "threads cannot share a Unix socket";
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: "127.0.0.1", port: 0, reusePort: true }, resolve);
    });
    await closed(server);
    return "";
  } catch {
    return "this system does not spread the connections of a port over several listeners";
  }
}

/** Rejects as if the port were taken where another process holds the name. */
async function holdName(address: Extract<Address, { port: number }>): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.unref();
  const path = `\0cufflink ${address.host}:${address.port}`;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ path }, resolve);
    });
    return server;
  } catch (error) {
    throw listenFailure(address, error);
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}
