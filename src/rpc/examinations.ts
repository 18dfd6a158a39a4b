import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import {
  CheckKind as WireKind,
  CheckResult,
  type ExamineComponentsResponse,
} from "../../gen/cufflink/v1/operations_pb.ts";
import type { Examined } from "../runtime/component/examine.ts";
import { wordOf } from "./records.ts";

/** How many components are examined at one time. */
const atOnce = 32;

const kinds = {
  definition: WireKind.DEFINITION,
  reachable: WireKind.REACHABLE,
  authenticated: WireKind.AUTHENTICATED,
  exists: WireKind.EXISTS,
  "may read": WireKind.MAY_READ,
  "may write": WireKind.MAY_WRITE,
} as const;

const results = {
  passed: CheckResult.PASSED,
  failed: CheckResult.FAILED,
  unknown: CheckResult.UNKNOWN,
} as const;

/**
 * Examines each, 32 at one time, and yields each result as it is known. Ends early when nobody asks for more, or the signal
 * aborts: what is under way then is told to nobody.
 */
export async function* examineEach(
  names: () => readonly string[],
  examine: (name: string) => Promise<Examined>,
  signal: AbortSignal,
): AsyncGenerator<Examined> {
  const running = new Map<string, Promise<Examined>>();
  const waiting = [...new Set(names())];
  while (running.size > 0 || waiting.length > 0) {
    while (running.size < atOnce && waiting.length > 0) {
      const name = waiting.shift() ?? "";
      const examining = examine(name);
      // One whose component is gone meanwhile fails the whole, perhaps after nobody asks any more.
      examining.catch(() => undefined);
      running.set(name, examining);
    }
    const examined = await Promise.race(running.values());
    if (signal.aborted) return;
    running.delete(examined.component);
    yield examined;
  }
}

export function describeExamined({ component, type, checks, took }: Examined) {
  return {
    ...{ component, type, took: durationFromMs(took) },
    checks: checks.map(({ kind, result, detail, subject }) => ({
      ...{ kind: kinds[kind], result: results[result], detail, subject },
    })),
  };
}

export function toExamined({ component, type, checks, took }: ExamineComponentsResponse): Examined {
  return {
    ...{ component, type, took: took === undefined ? 0 : durationMs(took) },
    checks: checks.map(({ kind, result, detail, subject }) => ({
      kind: wordOf(kinds, kind, "definition"),
      result: wordOf(results, result, "unknown"),
      ...{ detail, subject },
    })),
  };
}
