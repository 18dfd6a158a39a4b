import { createHash } from "node:crypto";
import type {
  AttemptCount,
  HistoryRecord,
  ImportOutcome,
  StoredCheckpoint,
  StoredDeadLetter,
  StoredPause,
} from "./records.ts";

/** A claim as it is carried to another store. */
export type CopiedClaim = {
  readonly scope: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly done: boolean;
  readonly result: Uint8Array | undefined;
  /** Milliseconds from now. */
  readonly expiresIn: number;
};

/** A record as it is carried to another store. Leases and replicas are not: they are of those who run. */
export type CopiedRecord =
  | { readonly kind: "attempt"; readonly component: string; readonly count: AttemptCount }
  | {
      readonly kind: "checkpoint";
      readonly component: string;
      readonly partition: string;
      readonly checkpoint: StoredCheckpoint;
    }
  | { readonly kind: "pause"; readonly component: string; readonly pause: StoredPause }
  | { readonly kind: "claim"; readonly claim: CopiedClaim }
  | { readonly kind: "dead letter"; readonly letter: StoredDeadLetter }
  | { readonly kind: "history"; readonly record: HistoryRecord };

/** `present`: it is there, or another in its place, which stays. `left out`: it is too old, or there is no room. */
export type CopyOutcome = "copied" | "present" | "left out";

/** What a store can do to have its records carried elsewhere, or to take others'. */
export type Copying = {
  /** All that is there at the beginning: attempt counts before dead letters, history last and oldest first. */
  records(): AsyncIterable<CopiedRecord>;
  /** What it has of history, to know what is there. */
  history(): AsyncIterable<HistoryRecord>;
  /** Takes one, unless there is one in its place. */
  adopt(record: CopiedRecord): Promise<CopyOutcome>;
};

export type CopyCounts = Readonly<Record<CopiedRecord["kind"], Record<CopyOutcome, number>>>;

/** So many are written at one time. */
const atOnce = 32;

/** Carries all records over. Done twice, or again after it was broken off, it adds nothing that is there. */
export async function copyRecords(source: Copying, target: Copying): Promise<CopyCounts> {
  const none = () => ({ copied: 0, present: 0, "left out": 0 });
  const counts: CopyCounts = {
    ...{ attempt: none(), checkpoint: none(), pause: none(), claim: none() },
    ...{ "dead letter": none(), history: none() },
  };
  let known: Set<string> | undefined;
  const take = async (record: CopiedRecord): Promise<void> => {
    counts[record.kind][await target.adopt(record)]++;
  };
  let waiting: CopiedRecord[] = [];
  const flush = async (): Promise<void> => {
    const some = waiting;
    waiting = [];
    await Promise.all(some.map(take));
  };
  for await (const record of source.records()) {
    // What is of one kind is written side by side; an attempt count is there before its dead letter.
    if (waiting.length === atOnce || (waiting[0] && waiting[0].kind !== record.kind)) await flush();
    if (record.kind === "history") {
      known ??= await digestsOf(target);
      if (known.has(digestOf(record.record))) {
        counts.history.present++;
        continue;
      }
      // In their order.
      await take(record);
      continue;
    }
    waiting.push(record);
  }
  await flush();
  return counts;
}

async function digestsOf(store: Copying): Promise<Set<string>> {
  const digests = new Set<string>();
  for await (const record of store.history()) digests.add(digestOf(record));
  return digests;
}

function digestOf(record: HistoryRecord): string {
  return createHash("sha256").update(JSON.stringify(record)).digest("base64");
}

/** What an import means for a copy. */
export function importOutcome(outcome: ImportOutcome): CopyOutcome {
  if (outcome === "imported") return "copied";
  return outcome === "present" ? "present" : "left out";
}
