import { importOutcome, type CopiedRecord, type Copying, type CopyOutcome } from "../copying.ts";
import type { HistoryRecord } from "../records.ts";
import type { DeadLetterStore } from "../store.ts";
import type { CopiedRows } from "./copy-table.ts";
import type { StoreThread } from "./store-thread.ts";

/** How many dead letters are read at one time. */
const letterPage = 20;

/** What is carried from and to SQLite files. `holds`: whether there is something in them. */
export function sqliteCopying(
  thread: StoreThread,
  deadLetters: DeadLetterStore,
  holds: (file: "records" | "history") => Promise<boolean>,
): Copying {
  const history = async function* (): AsyncGenerator<HistoryRecord> {
    if (await holds("history")) yield* all((after) => thread.ask("copiedHistory", [after]));
  };
  return {
    async *records(): AsyncGenerator<CopiedRecord> {
      if (await holds("records")) {
        for await (const one of all((after) => thread.ask("copiedAttempts", [after])))
          yield { kind: "attempt", ...one };
        for await (const one of all((after) => thread.ask("copiedCheckpoints", [after])))
          yield { kind: "checkpoint", ...one };
        for await (const one of all((after) => thread.ask("copiedPauses", [after])))
          yield { kind: "pause", ...one };
        for await (const claim of all((after) => thread.ask("copiedClaims", [after])))
          if (claim.expiresIn > 0) yield { kind: "claim", claim };
        for (let after: string | undefined; ;) {
          const letters = await deadLetters.list({}, { limit: letterPage, after });
          for (const { size: _, ...letter } of letters) yield { kind: "dead letter", letter };
          after = letters.at(-1)?.id;
          if (after === undefined) break;
        }
      }
      for await (const record of history()) yield { kind: "history", record };
    },
    history,
    async adopt(record): Promise<CopyOutcome> {
      const outcome = (isNew: boolean): CopyOutcome => (isNew ? "copied" : "present");
      switch (record.kind) {
        case "attempt":
          return outcome(await thread.ask("copyAttempt", [record.component, record.count]));
        case "checkpoint": {
          const { component, partition, checkpoint } = record;
          return outcome(await thread.ask("copyCheckpoint", [component, partition, checkpoint]));
        }
        case "pause":
          return outcome(await thread.ask("copyPause", [record.component, record.pause]));
        case "claim":
          return outcome(await thread.ask("copyClaim", [record.claim]));
        case "dead letter":
          return importOutcome(await deadLetters.import(record.letter));
        case "history":
          await thread.ask("appendHistory", [[record.record]]);
          return "copied";
      }
    },
  };
}

async function* all<Value>(
  read: (after: number) => Promise<CopiedRows<Value>>,
): AsyncGenerator<Value> {
  for (let after: number | undefined = 0; after !== undefined;) {
    const { rows, next }: CopiedRows<Value> = await read(after);
    yield* rows;
    after = next;
  }
}
