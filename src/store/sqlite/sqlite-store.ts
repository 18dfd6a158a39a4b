import { join } from "node:path";
import { statOf, UnreadableFile } from "../../regular-file.ts";
import type { Copying } from "../copying.ts";
import { failureOf } from "./failure.ts";
import { historyFile, lockFile, recordsFile } from "./file-names.ts";
import { checkFolder } from "./folder-check.ts";
import { packDeadLetter, unpackDeadLetter } from "./packed-dead-letter.ts";
import { sqliteCopying } from "./sqlite-copying.ts";
import { StoreThread } from "./store-thread.ts";
import { ProcessLeases } from "../process/process-leases.ts";
import { ProcessReplicas } from "../process/process-replicas.ts";
import { watchedPauses } from "../process/watched-pauses.ts";
import {
  defaultRetention,
  type CheckedStore,
  type DeadLetterStore,
  type Retention,
  type StoreLogger,
} from "../store.ts";

/** Between two looks at a folder that cannot be written, in milliseconds. */
const lookPause = 10_000;

export type SqliteStoreOptions = {
  /** Where its files lie. `:memory:`: in memory, for tests. */
  readonly folder: string;
  /** Default {@link defaultRetention}. */
  readonly retention?: Retention;
  readonly logger?: StoreLogger;
  /** Dead letters were removed for their age, count or size; they are logged already. */
  onExpired?(component: string, count: number): void;
  /** At most so many pages of 4 KiB a file, for tests: as if the disk were full then. */
  readonly maxPages?: number;
  /** What it goes by in place of the process's time: see `EngineOptions`. */
  readonly clock?: SharedArrayBuffer | undefined;
};

/**
 * A store in SQLite files of its own. Nothing is opened and no thread started before there is something to write, or
 * something to read that an earlier process has left.
 */
export function createSqliteStore(
  options: SqliteStoreOptions,
): CheckedStore & { readonly copying: Copying } {
  const { folder, logger } = options;
  const settings = {
    folder,
    retention: options.retention ?? defaultRetention,
    // node:crypto would cost the start.
    owner: [process.pid, Date.now(), Math.random()].join("-"),
    maxPages: options.maxPages,
    clock: options.clock,
  };
  const thread = new StoreThread(settings, {
    notice: (text) => logger?.error({ folder }, text),
    trouble: () => tell(),
    expired(expired) {
      for (const { component, count } of expired) {
        logger?.warn(
          { component, deadLetters: count },
          "dead letters were removed: too old, or too many",
        );
        options.onExpired?.(component, count);
      }
    },
  });
  const leases = new ProcessLeases();
  const replicas = new ProcessReplicas();
  /** What the last look at the folder found. */
  let found: string | undefined;
  let told: string | undefined;
  let lookingAgain: NodeJS.Timeout | undefined;
  const trouble = (): string | undefined => thread.trouble ?? found;
  const tell = (): void => {
    const now = trouble();
    if (now === told) return;
    told = now;
    if (now === undefined) logger?.info({ folder }, "the store can be written again");
    else logger?.error({ folder }, now);
  };
  const look = async (): Promise<void> => {
    try {
      await checkFolder(folder);
      found = undefined;
      // Another process may have it, which any question tells. Where there is no lock yet, none has.
      if (await holds(lockFile)) await thread.ask("deadLetterTotals", []).catch(() => {});
    } catch (error) {
      found = failureOf(error, join(folder, recordsFile)).message;
      lookingAgain = setTimeout(() => void look(), lookPause).unref();
    }
    tell();
  };
  /** Whether there is something to read, or to change, without making it. */
  const holds = async (file: string): Promise<boolean> =>
    thread.running ||
    statOf(join(folder, file), folder).then(
      () => true,
      (error: unknown) => !(error instanceof UnreadableFile && error.isGone),
    );
  const ifThere = (tell: () => void): void => {
    // At once where that can be, so that what is told stays in order.
    if (thread.running) return tell();
    void holds(recordsFile).then((there) => there && tell());
  };
  const deadLetters: DeadLetterStore = {
    put(deadLetter, fingerprint) {
      const packed = packDeadLetter(deadLetter);
      const transfer = [packed.data, packed.headers];
      return thread.ask("putDeadLetter", [packed, fingerprint], transfer);
    },
    import(deadLetter) {
      const packed = packDeadLetter(deadLetter);
      return thread.ask("importDeadLetter", [packed], [packed.data, packed.headers]);
    },
    async get(id) {
      if (!(await holds(recordsFile))) return undefined;
      const packed = await thread.ask("getDeadLetter", [id]);
      return packed && unpackDeadLetter(packed);
    },
    async list(filter, page) {
      if (!(await holds(recordsFile))) return [];
      return (await thread.ask("listDeadLetters", [filter, page])).map((one) =>
        unpackDeadLetter(one),
      );
    },
    async replace(deadLetter) {
      if (!(await holds(recordsFile))) return false;
      const packed = packDeadLetter(deadLetter);
      return thread.ask("replaceDeadLetter", [packed], [packed.data, packed.headers]);
    },
    async remove(ids) {
      let removed = 0;
      if (!(await holds(recordsFile))) return removed;
      // In parts, between which others may write.
      for (let at = 0; at < ids.length; at += 500) {
        removed += await thread.ask("removeDeadLetters", [ids.slice(at, at + 500)]);
      }
      return removed;
    },
    totals: async () => ((await holds(recordsFile)) ? thread.ask("deadLetterTotals", []) : []),
  };
  return {
    deadLetters,
    copying: sqliteCopying(thread, deadLetters, (file) =>
      holds(file === "records" ? recordsFile : historyFile),
    ),
    attempts: {
      load: async (component) =>
        (await holds(recordsFile)) ? thread.ask("loadAttempts", [component]) : [],
      begin: (component, count) => thread.ask("beginAttempt", [component, count]),
      forget(component, identities) {
        const gone = [...identities];
        ifThere(() => thread.tell("forgetAttempts", [component, gone]));
      },
      told(component, identity, fingerprint) {
        ifThere(() => thread.tell("toldAttempt", [component, identity, fingerprint]));
      },
    },
    history: {
      append: (records) => thread.ask("appendHistory", [records]),
      find: async (idOrTrace, component) =>
        (await holds(historyFile)) ? thread.ask("findHistory", [idOrTrace, component]) : [],
      ofDeadLetter: async (id) =>
        (await holds(historyFile)) ? thread.ask("historyOfDeadLetter", [id]) : [],
      list: async (page) =>
        (await holds(historyFile))
          ? thread.ask("listHistory", [page])
          : { records: [], below: undefined },
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
    pauses: watchedPauses({
      load: async (component) =>
        (await holds(recordsFile)) ? thread.ask("loadPause", [component]) : undefined,
      put: (component, pause) => thread.ask("putPause", [component, pause]),
      async remove(component) {
        if (await holds(recordsFile)) await thread.ask("removePause", [component]);
      },
    }),
    checkpoints: {
      load: async (component, partition) =>
        (await holds(recordsFile))
          ? thread.ask("loadCheckpoint", [component, partition])
          : undefined,
      put: (component, partition, checkpoint) =>
        thread.ask("putCheckpoint", [component, partition, checkpoint]),
    },
    leases,
    replicas,
    shared: false,
    get trouble() {
      return trouble();
    },
    look,
    close() {
      clearTimeout(lookingAgain);
      leases.clear();
      replicas.clear();
      return thread.close();
    },
  };
}
