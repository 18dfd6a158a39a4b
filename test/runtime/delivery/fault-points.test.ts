import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createStore } from "../../../src/store/open-store.ts";

const program = join(import.meta.dirname, "../killed-process.ts");
const everyEvent = ["a1", "a2", "a4", "b1", "b2", "poison"];

/** Runs the process in the folder to its end, and resolves to how it ended. */
async function run(folder: string, metadata: object, faults: string | undefined) {
  const environment = { ...process.env };
  delete environment["CUFFLINK_FAULT_POINTS"];
  if (faults !== undefined) environment["CUFFLINK_FAULT_POINTS"] = faults;
  const child = spawn(process.execPath, [program, folder, JSON.stringify(metadata)], {
    env: environment,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  return signal ?? code;
}

const deadLetter = {};
const deduplicate = { deduplicate: "id" };
const output = { onExhausted: "output:sink" };

test.concurrent.for([
  ["event received", deadLetter],
  ["attempt begins=kill@5", deadLetter],
  ["attempt noted=kill@2", deadLetter],
  ["app answered=kill@3", deadLetter],
  ["fan-out done", deadLetter],
  ["dead letter stored", deadLetter],
  ["settled=kill@4", deadLetter],
  ["claimed=kill@2", deduplicate],
  ["claim completed", deduplicate],
  ["dead letter stored", deduplicate],
  ["app answered=kill@5", output],
  ["before settle=kill@5", output],
] as const)(
  "killed at %s, started again: every event is acknowledged, none for nothing (%o)",
  { timeout: 120_000 },
  async ([point, metadata], { expect: expectHere, onTestFinished: whenFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "cufflink-killed-"));
    whenFinished(() => rmSync(folder, { recursive: true, force: true }));
    const faults = point.includes("=") ? point : `${point}=kill`;
    expectHere(await run(folder, metadata, faults)).toBe("SIGKILL");
    const before = linesOf(folder, "acknowledged.log");
    const handledBefore = linesOf(folder, "app.log").map((line) => line.split(" ")[0]);
    // Nothing was acknowledged that nobody had.
    for (const id of before) expectHere(handledBefore).toContain(id);
    expectHere(await run(folder, metadata, undefined)).toBe(0);
    expectHere([...new Set(linesOf(folder, "acknowledged.log"))].toSorted()).toEqual(everyEvent);
    const attempts = linesOf(folder, "app.log");
    for (const id of everyEvent)
      expectHere(attempts.some((line) => line.startsWith(`${id} `))).toBe(true);
    // A kill at the first attempt is not counted. From the second on each is, once it is noted, seen or not.
    const unseen = point.startsWith("attempt noted") ? 1 : 0;
    const poison = attempts.filter((line) => line.startsWith("poison "));
    expectHere(poison.length).toBeGreaterThanOrEqual(3 - unseen);
    expectHere(poison.length).toBeLessThanOrEqual(4 - unseen);
    // The next of its key has waited for it.
    expectHere(attempts.indexOf("a4 1")).toBeGreaterThan(attempts.indexOf(poison.at(-1) ?? ""));
    const store = createStore({ folder: join(folder, "state") });
    const deadLetters = await store.deadLetters.list({}, { limit: 10 });
    await store.close();
    if (metadata === output) {
      expectHere(deadLetters).toEqual([]);
      expectHere(linesOf(folder, "output.log")).toContain("poison");
    } else {
      expectHere(deadLetters).toMatchObject([
        { component: "orders", cause: "exhausted", reason: "cannot be read", failed: 3 },
      ]);
    }
    expectHere(linesOf(folder, "output.log")).toContain("reply");
  },
);

function linesOf(folder: string, file: string): string[] {
  const path = join(folder, file);
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
}

test("a fault point that nobody orders does nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-killed-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  expect(await run(folder, {}, "settled=kill@100")).toBe(0);
  expect(linesOf(folder, "acknowledged.log").toSorted()).toEqual(everyEvent);
});
