// Prints vitest's JSON result as one line, `N passed, N failed, N skipped`, for a CI to read:
// `node scripts/test-summary.ts RESULT.json`.
import { readFileSync } from "node:fs";

type Result = {
  success: boolean;
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
};

const path = process.argv[2];
if (path === undefined) throw new Error("usage: node scripts/test-summary.ts RESULT.json");
const result = JSON.parse(readFileSync(path, "utf8")) as Result;
// A file that does not even load counts no test; the run has failed all the same.
const failed = Math.max(result.numFailedTests, result.success ? 0 : 1);
const skipped = result.numPendingTests + result.numTodoTests;
console.log(
  `${result.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
);
