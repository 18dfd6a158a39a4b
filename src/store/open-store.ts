import { existsSync } from "node:fs";
import { join } from "node:path";
import { BindingError } from "../errors.ts";
import { historyFile, recordsFile } from "./file-names.ts";
import { packDeadLetter, unpackDeadLetter } from "./packed-dead-letter.ts";
import { StoreThread } from "./store-thread.ts";
import { defaultRetention, type Retention, type Store } from "./store.ts";

export type StoreOptions = {
  /** Where its files lie. `:memory:`: in memory, for tests. `undefined`: there is no place, and nothing can be kept. */
  readonly folder: string | undefined;
  /** Default {@link defaultRetention}. */
  readonly retention?: Retention;
  readonly logger?: StoreLogger;
  /** Dead letters were removed for their age, count or size; they are logged already. */
  onExpired?(component: string, count: number): void;
  /** At most so many pages of 4 KiB a file, for tests: as if the disk were full then. */
  readonly maxPages?: number;
};

export type StoreLogger = {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};

/**
 * A store in SQLite files of its own. Nothing is opened and no thread started before there is something to write, or
 * something to read that an earlier process has left.
 */
export function createStore(options: StoreOptions): Store {
  const { folder, logger } = options;
  if (folder === undefined) return homelessStore();
  const settings = {
    folder,
    retention: options.retention ?? defaultRetention,
    // node:crypto would cost the start.
    owner: [process.pid, Date.now(), Math.random()].join("-"),
    maxPages: options.maxPages,
  };
  const thread = new StoreThread(settings, {
    notice: (text) => logger?.error({ folder }, text),
    trouble(trouble) {
      if (trouble === undefined) logger?.info({ folder }, "the store can be written again");
      else logger?.error({ folder }, trouble);
    },
    expired(expired) {
      for (const { component, count } of expired) {
        logger?.warn({ component, count }, "dead letters were removed: too old, or too many");
        options.onExpired?.(component, count);
      }
    },
  });
  const holds = (file: string): boolean => thread.running || existsSync(join(folder, file));
  return {
    deadLetters: {
      put(deadLetter, fingerprint) {
        const packed = packDeadLetter(deadLetter);
        const transfer = [packed.data, packed.headers];
        return thread.ask("putDeadLetter", [packed, fingerprint], transfer);
      },
      async get(id) {
        if (!holds(recordsFile)) return undefined;
        const packed = await thread.ask("getDeadLetter", [id]);
        return packed && unpackDeadLetter(packed);
      },
      async list(filter, page) {
        if (!holds(recordsFile)) return [];
        return (await thread.ask("listDeadLetters", [filter, page])).map((one) =>
          unpackDeadLetter(one),
        );
      },
      async replace(deadLetter) {
        if (!holds(recordsFile)) return false;
        const packed = packDeadLetter(deadLetter);
        return thread.ask("replaceDeadLetter", [packed], [packed.data, packed.headers]);
      },
      async remove(ids) {
        let removed = 0;
        if (!holds(recordsFile)) return removed;
        // In parts, between which others may write.
        for (let at = 0; at < ids.length; at += 500) {
          removed += await thread.ask("removeDeadLetters", [ids.slice(at, at + 500)]);
        }
        return removed;
      },
      totals: async () => (holds(recordsFile) ? thread.ask("deadLetterTotals", []) : []),
    },
    attempts: {
      load: async (component) =>
        holds(recordsFile) ? thread.ask("loadAttempts", [component]) : [],
      begin: (component, count) => thread.ask("beginAttempt", [component, count]),
      forget(component, identities) {
        if (holds(recordsFile)) thread.tell("forgetAttempts", [component, [...identities]]);
      },
      told(component, identity, fingerprint) {
        if (holds(recordsFile)) thread.tell("toldAttempt", [component, identity, fingerprint]);
      },
    },
    history: {
      append: (records) => thread.ask("appendHistory", [records]),
      find: async (idOrTrace, component) =>
        holds(historyFile) ? thread.ask("findHistory", [idOrTrace, component]) : [],
    },
    claims: {
      claim: (scope, key, fingerprint, expiresIn) =>
        thread.ask("claim", [scope, key, fingerprint, expiresIn]),
      complete(scope, key, fingerprint, result, expiresIn) {
        const bytes = result && new Uint8Array(result);
        return thread.ask("completeClaim", [scope, key, fingerprint, bytes, expiresIn], [bytes]);
      },
      release: (scope, key) => thread.ask("releaseClaim", [scope, key]),
    },
    pauses: {
      load: async (component) =>
        holds(recordsFile) ? thread.ask("loadPause", [component]) : undefined,
      put: (component, pause) => thread.ask("putPause", [component, pause]),
      async remove(component) {
        if (holds(recordsFile)) await thread.ask("removePause", [component]);
      },
    },
    get trouble() {
      return thread.trouble;
    },
    close: () => thread.close(),
  };
}

/** Nothing can be kept, which whoever tries is told. */
function homelessStore(): Store {
  const trouble =
    "there is no place for durable records: neither XDG_STATE_HOME nor HOME is set; say --state-dir FOLDER";
  const refuse = (): Promise<never> =>
    Promise.reject(new BindingError("unavailable", trouble, { effect: "unsent" }));
  return {
    deadLetters: {
      put: refuse,
      get: async () => undefined,
      list: async () => [],
      replace: refuse,
      remove: refuse,
      totals: async () => [],
    },
    attempts: { load: async () => [], begin: refuse, forget: () => {}, told: () => {} },
    history: { append: refuse, find: async () => [] },
    claims: { claim: refuse, complete: refuse, release: refuse },
    pauses: { load: async () => undefined, put: refuse, remove: async () => {} },
    trouble,
    close: async () => {},
  };
}
