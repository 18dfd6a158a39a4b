import {
  importOutcome,
  type CopiedClaim,
  type CopiedRecord,
  type Copying,
  type CopyOutcome,
} from "../copying.ts";
import type { HistoryRecord } from "../records.ts";
import type { DeadLetterStore, HistoryStore } from "../store.ts";
import { attemptOf, type NatsAttempts } from "./attempts.ts";
import { checkpointOf } from "./checkpoints.ts";
import { decodeClaim, encodeClaim } from "./claims.ts";
import { decodeLetter } from "./letter-form.ts";
import { isGone, ttlOf, type StoredMessage } from "./messages.ts";
import { pauseRecordOf } from "./pauses.ts";
import { Conflict } from "./publishing.ts";
import type { StreamReader } from "./reader.ts";
import type { Subjects } from "./subjects.ts";
import type { Change, StreamWriter } from "./writer.ts";

export type NatsCopyingParts = {
  readonly reader: StreamReader;
  readonly historyReader: StreamReader;
  readonly writer: StreamWriter;
  readonly subjects: Subjects;
  readonly attempts: NatsAttempts;
  readonly deadLetters: DeadLetterStore;
  readonly history: HistoryStore;
};

/** What is carried from and to NATS. Others may write meanwhile: each record is as it was when it was read. */
export function natsCopying(parts: NatsCopyingParts): Copying {
  const { reader, historyReader, writer, subjects, attempts, deadLetters } = parts;
  const all = async function* (kind: string) {
    for await (const message of reader.scan(`${subjects.records}.${kind}.>`)) {
      if (isGone(message)) continue;
      const body = await reader.body(message);
      // What has changed since is read again.
      const found = body === undefined ? await reader.whole(message.subject) : { message, body };
      if (found !== undefined) yield found;
    }
  };
  const history = async function* (): AsyncGenerator<HistoryRecord> {
    for await (const message of historyReader.scan(`${subjects.history}.*.*.*.*.*`)) {
      const body = await historyReader.body(message);
      if (body !== undefined) yield JSON.parse(Buffer.from(body).toString()) as HistoryRecord;
    }
  };
  /** Writes it where there is nothing. */
  const add = async (lane: string, change: Change): Promise<CopyOutcome> => {
    const last = await reader.last(change.subject);
    if (last !== undefined && !isGone(last)) return "present";
    try {
      await writer.writeUnfenced(`copy ${lane}`, [{ ...change, expected: last?.sequence ?? 0 }]);
      return "copied";
    } catch (error) {
      if (error instanceof Conflict) return "present";
      throw error;
    }
  };
  return {
    async *records(): AsyncGenerator<CopiedRecord> {
      for await (const { body } of all("attempt")) {
        const { component, ...count } = attemptOf(body);
        yield { kind: "attempt", component, count };
      }
      for await (const { body } of all("checkpoint")) {
        const { component, partition, ...checkpoint } = checkpointOf(body);
        yield { kind: "checkpoint", component, partition, checkpoint };
      }
      for await (const { body } of all("pause")) {
        const record = pauseRecordOf(body);
        if (record === undefined) continue;
        const { component, ...pause } = record;
        yield { kind: "pause", component, pause };
      }
      for await (const found of all("claim")) {
        const claim = claimOf(found.message, found.body);
        if (claim.expiresIn > 0) yield { kind: "claim", claim };
      }
      for await (const { body } of all("letter"))
        yield { kind: "dead letter", letter: decodeLetter(body) };
      for await (const record of history()) yield { kind: "history", record };
    },
    history,
    async adopt(record): Promise<CopyOutcome> {
      switch (record.kind) {
        case "attempt":
          return add("attempts", attempts.change(record.component, record.count));
        case "checkpoint": {
          const { component, partition, checkpoint } = record;
          const body = Buffer.from(JSON.stringify({ component, partition, ...checkpoint }));
          return add("checkpoints", { subject: subjects.checkpoint(component, partition), body });
        }
        case "pause": {
          const { component, pause } = record;
          const body = Buffer.from(JSON.stringify({ component, ...pause }));
          return add("pauses", { subject: subjects.pause(component), body });
        }
        case "claim": {
          const { result, expiresIn, ...claim } = record.claim;
          const hasResult = result !== undefined;
          const body = encodeClaim({ ...claim, owner: "copied", hasResult }, result);
          const subject = subjects.claim(claim.scope, claim.key);
          return add("claims", { subject, body, ttl: expiresIn });
        }
        case "dead letter":
          return importOutcome(await deadLetters.import(record.letter));
        case "history":
          await parts.history.append([record.record]);
          return "copied";
      }
    },
  };
}

function claimOf(message: StoredMessage, body: Uint8Array): CopiedClaim {
  const { record, result } = decodeClaim(body);
  const { scope, key, fingerprint, done } = record;
  // By this machine's clock, as nothing else tells how late it is.
  const expiresIn = message.time + (ttlOf(message) ?? 0) - Date.now();
  return { scope, key, fingerprint, done, result, expiresIn };
}
