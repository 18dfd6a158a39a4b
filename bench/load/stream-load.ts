import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const timeout = 120_000;

/** What `programs/stream-client.ts` is asked for. */
export type StreamOrder = {
  readonly port: number;
  readonly component: string;
  /** Invocations under way at one time, at the most. */
  readonly inFlight: number;
  readonly invocations: number;
  /** Invocations a second. Absent: as fast as it goes. */
  readonly rate?: number;
};

/** Runs the client in a process of its own, and resolves to what it printed. Rejects when an invocation failed. */
export async function runStream<Printed>(order: StreamOrder, pin: boolean): Promise<Printed> {
  const file = join(import.meta.dirname, "../programs/stream-client.ts");
  const command = [process.execPath, file, JSON.stringify(order)];
  const [program = "", ...rest] = pin ? ["taskset", "-c", "1", ...command] : command;
  const { stdout } = await execute(program, rest, { timeout });
  return JSON.parse(stdout) as Printed;
}
