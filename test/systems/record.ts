import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { AnyBinding, Proof } from "../../src/binding.ts";

const root = resolve(import.meta.dirname, "../..");

/** The committed file that `npm run test:systems` writes. */
export const recordFile = join(root, "docs", "systems.json");

/** That a binding's tests passed with a system. */
export type SystemRecord = Proof & {
  readonly type: string;
  /** Empty for a stand-in. */
  readonly version: string;
  /** What ran, as `vitest run` takes it. */
  readonly suite: readonly string[];
  /** How many tests passed; none failed or was skipped. */
  readonly tests: number;
  /** What was tested. */
  readonly commit: string;
  /** `YYYY-MM-DD` */
  readonly date: string;
};

export function readRecords(): SystemRecord[] {
  return JSON.parse(readFileSync(recordFile, "utf8")) as SystemRecord[];
}

/** Claims without a record and records without a claim, in sentences; none: all is well. */
export function contradictions(
  bindings: readonly AnyBinding[],
  records: readonly SystemRecord[],
): string[] {
  const keyOf = (type: string, { system, kind }: Proof): string => `${type}: ${system} (${kind})`;
  const claims = bindings.flatMap(({ name, provedBy = [] }) =>
    provedBy.map((proof) => keyOf(name, proof)),
  );
  const recorded = records.map((record) => keyOf(record.type, record));
  return [
    ...bindings
      .filter(({ provedBy = [], notBuilt }) => provedBy.length === 0 && notBuilt !== true)
      .map(({ name }) => `${name} does not say what it was tested with: declare provedBy`),
    ...claims
      .filter((claim) => !recorded.includes(claim))
      .map((claim) => `${claim} is claimed and not recorded: run \`npm run test:systems\``),
    ...recorded
      .filter((key) => !claims.includes(key))
      .map((key) => `${key} is recorded and not claimed: run \`npm run test:systems\``),
  ];
}
