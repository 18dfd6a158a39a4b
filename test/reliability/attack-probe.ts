// A thread beside an attack: how much memory a process has, and how fast it says that it is healthy.
import { readFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { parentPort, workerData } from "node:worker_threads";

export type Probed = {
  /** The most resident memory, in MiB. */
  readonly peak: number;
  /** Of the health check, in milliseconds: 99 of 100 were as fast, and the slowest. */
  readonly p99: number;
  readonly slowest: number;
};

/** Resident memory of a process as the kernel tells it, in MiB. */
export function residentOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024);
}

if (parentPort !== null) void probe(workerData as { pid: number; httpPort: number });

async function probe({ pid, httpPort }: { pid: number; httpPort: number }): Promise<void> {
  const told = { isOver: false };
  parentPort?.once("message", () => (told.isOver = true));
  let peak = residentOf(pid);
  const timer = setInterval(() => (peak = Math.max(peak, residentOf(pid))), 50);
  const agent = new Agent({ keepAlive: true });
  const times: number[] = [];
  while (!told.isOver) {
    const begun = performance.now();
    await new Promise<void>((resolve) => {
      const where = { port: httpPort, host: "127.0.0.1", path: "/v1.0/healthz/outbound", agent };
      get(where, (response) => response.resume().on("end", resolve)).on("error", () => resolve());
    });
    times.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  clearInterval(timer);
  agent.destroy();
  times.sort((a, b) => a - b);
  const p99 = Math.round(times[Math.floor(times.length * 0.99)] ?? 0);
  parentPort?.postMessage({ peak, p99, slowest: Math.round(times.at(-1) ?? 0) } satisfies Probed);
}
