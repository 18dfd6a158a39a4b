import { setTimeout as pause } from "node:timers/promises";
import type { ServerControl } from "../servers/kinds.ts";
import type { Proxy } from "../servers/proxy.ts";
import type { AppMode } from "./app-process.ts";
import type { Handled, OracleEvent, Produced } from "./oracle.ts";
import type { ComponentYaml, RuntimeProcess } from "./runtime-process.ts";
import type { Servers } from "./servers.ts";

/** What a cell of the matrix has to work with. */
export type CellResources = {
  readonly servers: Servers;
  /** Which of the cells that run at the same time it is. */
  readonly slot: number;
  readonly folder: string;
  readonly runtime: RuntimeProcess;
  /** Whether the server is stopped, killed or frozen: then it is one that no other cell uses meanwhile. */
  readonly ownServer: boolean;
  /** Whether its credentials are revoked: then they are its own. */
  readonly credentials: boolean;
  /** Whether what it writes goes to a disk of its own that can be filled. */
  readonly ownDisk: boolean;
};

/** What can be done to the connections of a cell. */
export type Network = Pick<
  Proxy,
  "connections" | "cut" | "stall" | "halfOpen" | "delay" | "refuse" | "heal"
>;

/** Where the events of one cell are: a topic, a queue, a folder. */
export type OpenedSource = AsyncDisposable & {
  readonly component: ComponentYaml;
  /** Components beside it. */
  readonly more?: readonly ComponentYaml[];
  /** Whether events of one key are to be handled in order. */
  readonly ordered: boolean;
  /** Between the server and the runtime; of a webhook, between the sender and the runtime. */
  readonly proxy?: Network;
  readonly server?: ServerControl;
  readonly credentials?: { revoke(): Promise<void>; restore(): Promise<void> };
  /** A small disk of its own; absent: none was asked for, or this process may not mount one. */
  readonly disk?: { fill(): Promise<void>; free(): Promise<void> };
  /** Whether an event that is not handled when the runtime ends is gone with it. */
  readonly forgets?: boolean;
  /** What is other in the component's metadata when it names a server that is not there. */
  readonly unreachable?: ComponentYaml["metadata"];
  /** What is still to be done though all was handled, such as a file that is not put away. */
  readonly remains?: () => Promise<string | undefined>;
  /**
   * Gives an event to the source; resolves once that has it for good, and rejects when nobody knows. Absent:
   * the source makes its events itself, one each second.
   */
  readonly send?: (event: OracleEvent & { do?: string }) => Promise<void>;
  /** Whether events are sent beside each other, because one that is sent waits for the app. */
  readonly concurrent?: boolean;
  /** What arrived, where that is not what the app handled. */
  readonly arrived?: (produced: readonly Produced[]) => Promise<Handled[]>;
  /** Keeps what is under way from ending; absent: the app holds it. */
  readonly hold?: () => void;
  readonly letGo?: () => void;
};

/** An address where nobody listens. */
export const unreachableAddress = "127.0.0.1:1";

/** A kind of source, or of output, that the matrix has a row of. */
export type Source = {
  readonly name: string;
  /** The duplicates that one strike may cause, by what was struck. See `docs/reliability.md`. */
  readonly bounds: Bounds;
  /** How its app gets events where the cell does not say. Default `grpc`. */
  readonly mode?: AppMode;
  /** How long what is missing of a lossy source may still come, in milliseconds, with nothing else handled. Default: 10,000. */
  readonly patience?: number;
  opened(kit: CellResources): Promise<OpenedSource>;
};

/** The most events that may be handled again after one strike. */
export type Bounds = {
  /** The app's process, or its connection. */
  readonly app: number;
  /** The runtime's process. */
  readonly runtime: number;
  /** The server, or the connection to it. */
  readonly server: number;
  /** The same while the runtime ends. Default: as at other times. */
  readonly serverAtEnd?: number;
};

/** A client that sends one event after another. One that failed is not to be trusted any more. */
export type Client = { send(event: OracleEvent): Promise<void>; close(): Promise<unknown> };

const closeTimeout = 5_000;

/** Sends by a client that is made anew after a failure, each event once and no longer than 5 s. */
export function sender(open: () => Promise<Client>): {
  send: (event: OracleEvent) => Promise<void>;
  close: () => Promise<void>;
} {
  let client: Promise<Client> | undefined;
  const drop = (): void => {
    const old = client;
    client = undefined;
    void old?.then((one) => one.close()).catch(() => {});
  };
  return {
    async send(event) {
      client ??= open();
      client.catch(() => {});
      try {
        await within(
          closeTimeout,
          client.then((one) => one.send(event)),
        );
      } catch (error) {
        drop();
        throw error;
      }
    },
    async close() {
      const old = client;
      client = undefined;
      await within(closeTimeout, Promise.resolve(old?.then((one) => one.close()))).catch(() => {});
    },
  };
}

async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = pause(milliseconds, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`no answer within ${milliseconds} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    ended.abort();
    promise.catch(() => {});
  }
}
