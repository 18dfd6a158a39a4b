import { execFile } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Percentiles } from "../measure/statistics.ts";
import type { Target } from "./calls.ts";

const execute = promisify(execFile);
const timeout = 120_000;

/** Calls that the client makes first, one after another, and does not count. */
export const warmUpCalls = 200;

/** What the client in `programs/latency-client.ts` is asked for. */
export type LatencyOrder = {
  readonly protocol: Target["protocol"];
  readonly port: number;
  readonly path: string;
  readonly bodyFile: string;
  readonly calls: number;
  /** Calls a second. Absent: one after another. */
  readonly rate?: number | undefined;
};

/** Latencies in milliseconds, by a client in a process of its own; rejects when a call failed. */
export async function measureLatency(
  below: string,
  { body, ...target }: Target,
  calls: number,
  rate?: number,
): Promise<Percentiles> {
  const bodyFile = join(await mkdtemp(join(below, "latency-")), "body");
  await writeFile(bodyFile, body);
  const order: LatencyOrder = { ...target, bodyFile, calls, rate };
  const program = join(import.meta.dirname, "../programs/latency-client.ts");
  const { stdout } = await execute(process.execPath, [program, JSON.stringify(order)], { timeout });
  return JSON.parse(stdout) as Percentiles;
}
