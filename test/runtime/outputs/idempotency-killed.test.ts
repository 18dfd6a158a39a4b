import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { FaultPoint } from "../../../src/fault-point.ts";

const program = join(import.meta.dirname, "../idempotent-process.ts");

function place() {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-idempotency-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "effects");
  /** What was done, in order. */
  const effects = (): string[] =>
    existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  /** Runs the process to its end; `killAfter`: until it has said so many lines. */
  const run = async (
    keys: readonly string[],
    options: { fault?: string; claim?: string; killAfter?: number } = {},
  ) => {
    const { fault, claim = "5m", killAfter } = options;
    const args = [program, join(folder, "state"), file, claim, ...keys];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...(fault !== undefined && { CUFFLINK_FAULT_POINTS: fault }) },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (killAfter !== undefined && output.split("\n").length > killAfter) child.kill("SIGKILL");
    });
    const [, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    return { said: output.split("\n").filter(Boolean), signal };
  };
  return { run, effects };
}

test.for([
  { point: "claimed", ran: 0, repeated: "aborted" },
  { point: "invoked", ran: 1, repeated: "aborted" },
  { point: "claim completed", ran: 1, repeated: "replayed" },
] as const satisfies readonly { point: FaultPoint; ran: number; repeated: string }[])(
  "killed when $point: it ran $ran times, and a call that repeats it is $repeated",
  async ({ point, ran, repeated }) => {
    const { run, effects } = place();
    const killed = await run(["a"], { fault: `${point}=kill` });
    expect(killed).toEqual({ said: [], signal: "SIGKILL" });
    expect(effects()).toHaveLength(ran);
    for (let time = 0; time < 2; time++) {
      expect(await run(["a", "b"])).toMatchObject({
        said: [`a ${repeated}`, time === 0 ? "b ran" : "b replayed"],
      });
    }
    expect(effects()).toEqual([...Array.from({ length: ran }, () => "a"), "b"]);
  },
);

test("killed in the middle: once the claim has expired the call runs anew", async () => {
  const { run, effects } = place();
  await run(["a"], { fault: "claimed=kill", claim: "1ms" });
  expect(await run(["a"], { claim: "5m" })).toMatchObject({ said: ["a ran"] });
  expect(effects()).toEqual(["a"]);
});

test(
  "killed again and again under load, no operation runs twice",
  { timeout: 60_000 },
  async () => {
    const { run, effects } = place();
    const keys = Array.from({ length: 60 }, (_, index) => `key ${index}`);
    const claimed = new Set<string>();
    for (let round = 0; round < 4; round++) {
      const { said } = await run(keys, { killAfter: 15 * (round + 1) });
      for (const line of said) claimed.add(line);
    }
    const { said, signal } = await run(keys);
    expect(signal).toBeNull();
    expect(said).toHaveLength(keys.length);
    const done = effects();
    expect(new Set(done).size).toBe(done.length);
    // Whoever was told that it ran finds it done.
    for (const key of keys) {
      if (claimed.has(`${key} ran`)) expect(said).toContain(`${key} replayed`);
    }
    expect(said.every((line) => /(ran|replayed|aborted)$/.test(line))).toBe(true);
  },
);
