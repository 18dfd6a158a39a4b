import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "vitest";
import { createStore } from "../../../src/store/open-store.ts";
import type { DeadLetter } from "../../../src/store/records.ts";
import { sampleDeadLetter } from "../stored-dead-letters.ts";

const program = join(import.meta.dirname, "redriving-process.ts");

/** Redrives the dead letters in the folder's store, and resolves to how the process ended. */
async function redrive(folder: string, target: string, faults?: string) {
  const environment = { ...process.env };
  delete environment["CUFFLINK_FAULT_POINTS"];
  if (faults !== undefined) environment["CUFFLINK_FAULT_POINTS"] = faults;
  const child = spawn(process.execPath, [program, folder, target], {
    env: environment,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  return signal ?? code;
}

async function deadLettersIn(folder: string): Promise<DeadLetter[]> {
  const store = createStore({ folder: join(folder, "state") });
  const deadLetters = await store.deadLetters.list({}, { limit: 10 });
  await store.close();
  return deadLetters;
}

test.concurrent.for(["app", "output"])(
  "killed between an event's handling by the %s and the removal of its dead letter: it is still a dead letter, once, and redriving handles it again",
  { timeout: 120_000 },
  async (target, { expect, onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), "cufflink-redrive-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const store = createStore({ folder: join(folder, "state") });
    for (const number of [1, 2, 3])
      await store.deadLetters.put(sampleDeadLetter(number), `print ${number}`);
    await store.close();
    const before = await deadLettersIn(folder);
    const handled = (): string[] =>
      readFileSync(join(folder, "handled.log"), "utf8").trimEnd().split("\n");

    expect(await redrive(folder, target, "redrive handled=kill")).toBe("SIGKILL");
    const first = handled();
    expect(first[0]).toBe("order 1");
    expect(await deadLettersIn(folder)).toEqual(before);

    expect(await redrive(folder, target)).toBe(0);
    // All have the same key, and so are handled in order.
    expect(handled()).toEqual([...first, "order 1", "order 2", "order 3"]);
    expect(await deadLettersIn(folder)).toEqual([]);
  },
);
