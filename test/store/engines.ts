import { describe, onTestFinished } from "vitest";
import { createNatsStore, type NatsStoreOptions } from "../../src/store/nats/nats-store.ts";
import type { Copying } from "../../src/store/copying.ts";
import type { CheckedStore, Retention } from "../../src/store/store.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { openStore, temporaryFolder } from "./opened-store.ts";

export type OpenOptions = Partial<
  Pick<NatsStoreOptions, "settings" | "durability" | "replicas">
> & {
  readonly retention?: Retention;
  readonly onExpired?: (component: string, count: number) => void;
};

export type OpenedStore = CheckedStore & {
  readonly copying: Copying;
  readonly log: readonly string[];
};

/** One way to keep records. */
export type StoreEngine = {
  readonly name: "SQLite" | "NATS";
  /** A place of a test's own, with nothing in it. */
  place(): string;
  /** A store there, which is closed after the test, and what it logs. */
  open(place: string, options?: OpenOptions): OpenedStore;
};

export const sqliteEngine: StoreEngine = {
  name: "SQLite",
  place: temporaryFolder,
  open(folder, { retention, onExpired } = {}) {
    // In a folder it is this engine, whatever else there is.
    return openStore({
      folder,
      ...(retention === undefined ? {} : { retention }),
      ...(onExpired === undefined ? {} : { onExpired }),
    }) as unknown as OpenedStore;
  },
};

/** A `describe` of what each engine promises. One that cannot be had is skipped aloud. */
export function withEngines(tests: (engine: StoreEngine) => void): void {
  describe("with SQLite", () => {
    tests(sqliteEngine);
  });
  describeWith("nats", ({ url }) => {
    tests(natsEngine(url));
  });
}

/** The engine on a server. */
export function natsEngine(url: string): StoreEngine {
  return {
    name: "NATS",
    place: () => uniqueName("app .*>"),
    open: (appId, options) => {
      const log: string[] = [];
      const note = (level: string) => (_: object, message: string) =>
        log.push(`${level}: ${message}`);
      const store = createNatsStore({
        appId,
        settings: natsSettings(url),
        durability: { mode: "relaxed" },
        logger: { info: note("info"), warn: note("warn"), error: note("error") },
        ...options,
      });
      onTestFinished(() => store.close());
      return Object.defineProperty(store, "log", { value: log }) as OpenedStore;
    },
  };
}

export function natsSettings(url: string) {
  return {
    ...{ servers: [url], timeout: 5_000, tlsHandshakeFirst: false, inboxPrefix: "_INBOX" },
  };
}
