import {
  DeadLetters,
  RedriveOutcome,
  type EditDeadLetterRequest,
  type RedriveTarget,
} from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { DeadLetterManager, DeadLetterChange } from "../runtime/records/dead-letters.ts";
import type { RedriveProgress } from "../runtime/records/redrive-run.ts";
import type { OutputTarget } from "../runtime/records/redrive-target.ts";
import { answering, answeringEach } from "./errors.ts";
import { toStoredDeadLetter } from "./imported-dead-letter.ts";
import { fromDeadLetter, timestampOf, toFilter } from "./records.ts";

const usualPage = 100;
const longestPage = 1000;
const usualMaxData = 1024;
/** What a page of dead letters may take, so that it fits into any client's messages. */
const largestPage = 2 * 1024 * 1024;

/** `cufflink.v1.DeadLetters`, over the manager. `closing`: aborted when the server closes. */
export function deadLettersService(manager: DeadLetterManager, closing: AbortSignal): Service {
  return createService(DeadLetters, {
    listDeadLetters: ({ filter, pageSize, pageToken, maxDataSize }) =>
      answering(async () => {
        const { deadLetters, more } = await manager.list(toFilter(filter), {
          limit: Math.min(pageSize || usualPage, longestPage),
          after: pageToken || undefined,
          maxData: maxDataSize || usualMaxData,
          maxBytes: largestPage,
        });
        return {
          deadLetters: deadLetters.map((one) => fromDeadLetter(one, manager.isClaimed(one.id))),
          nextPageToken: more ? (deadLetters.at(-1)?.id ?? "") : "",
        };
      }),
    getDeadLetter: ({ id }) =>
      answering(async () => ({
        deadLetter: fromDeadLetter(await manager.get(id), manager.isClaimed(id)),
      })),
    listDeadLetterTotals: () =>
      answering(async () => {
        const totals = await manager.totals();
        totals.sort((a, b) => (a.component < b.component ? -1 : 1));
        return {
          totals: totals.map(({ component, count, bytes, oldest }) => ({
            component,
            count: BigInt(count),
            bytes: BigInt(bytes),
            oldest: timestampOf(oldest),
          })),
        };
      }),
    editDeadLetter: (request) =>
      answering(async () => {
        const edited = await manager.edit(request.id, changeOf(request));
        return { deadLetter: fromDeadLetter(edited, false) };
      }),
    redriveDeadLetters: ({ filter, all, rate, to }, { signal }) =>
      answeringEach(
        manager.redrive(
          { filter: toFilter(filter), all },
          {
            rate: rate === 0 ? undefined : rate,
            to: to && targetOf(to),
            signal: AbortSignal.any([signal, closing]),
          },
        ),
        describeProgress,
      ),
    dropDeadLetters: ({ filter, all, validateOnly }) =>
      answering(async () => {
        const selection = { filter: toFilter(filter), all };
        const { dropped, skipped } = await manager.drop(selection, { countOnly: validateOnly });
        return { dropped: BigInt(dropped), skipped: BigInt(skipped) };
      }),
    importDeadLetters: ({ deadLetters }) =>
      answering(async () => {
        const counts = await manager.import(deadLetters.map(toStoredDeadLetter));
        const { imported, present, expired } = counts;
        return {
          ...{ imported: BigInt(imported), present: BigInt(present), expired: BigInt(expired) },
        };
      }),
  });
}

function changeOf({ event, metadata, updateMask }: EditDeadLetterRequest): DeadLetterChange {
  const paths = new Set(updateMask?.paths);
  const wrong = [...paths].find((path) => !changeable.has(path));
  if (wrong !== undefined || paths.size === 0) {
    const what = wrong === undefined ? "is empty" : `names ${JSON.stringify(wrong)}`;
    const text = `update_mask ${what}; it may name ${[...changeable].join(", ")}`;
    throw new GrpcFailure(Code.invalidArgument, text);
  }
  return {
    ...(paths.has("data") && { data: event?.data }),
    ...(paths.has("headers") && { headers: event?.headers ?? [] }),
    ...(paths.has("key") && { key: event?.key }),
    ...(paths.has("metadata") && { metadata }),
  };
}

const changeable: ReadonlySet<string> = new Set(["data", "headers", "key", "metadata"]);

function targetOf({ component, operation, metadata }: RedriveTarget): OutputTarget {
  return { component, operation: operation || "create", metadata };
}

/** What becomes of dead letters that are redriven, as the wire counts it. */
export const redriveOutcomes = {
  handled: RedriveOutcome.HANDLED,
  refused: RedriveOutcome.REFUSED,
  skipped: RedriveOutcome.SKIPPED,
} as const;

function describeProgress({ result, totals }: RedriveProgress) {
  const { matched, handled, refused, skipped } = totals;
  return {
    ...(result && {
      result: {
        ...result,
        eventId: result.eventId ?? "",
        outcome: redriveOutcomes[result.outcome],
      },
    }),
    totals: {
      matched: BigInt(matched),
      handled: BigInt(handled),
      refused: BigInt(refused),
      skipped: BigInt(skipped),
    },
  };
}
