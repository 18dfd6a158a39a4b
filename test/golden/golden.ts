import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Road } from "./app.ts";
import type { Answers } from "./run-suite.ts";

/** What one daprd answered to a suite, over each road. */
export type Golden = { readonly daprd: string } & Readonly<Record<Road, Answers>>;

export const roads: readonly Road[] = ["http", "grpc"];

/** Where the answers of a suite are kept. */
export function goldenFile(suite: string): string {
  return join(import.meta.dirname, "answers", `${suite}.json`);
}

export function readGolden(suite: string): Golden {
  return JSON.parse(readFileSync(goldenFile(suite), "utf8")) as Golden;
}
