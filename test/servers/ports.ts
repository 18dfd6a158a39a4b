import { mkdir, open, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

// Below Linux's range for outgoing connections, so that no client socket takes a port between choice and use.
const first = 20_000;
const count = 10_000;

let next = (process.pid * 61) % count;

/**
 * Reserves a free port on 127.0.0.1 for this process. No other test process on this machine is given the same one until
 * `releasePort`, or until this process has ended. The search begins at `from`, by default where this process's last ended.
 */
export async function reservePort(from?: number): Promise<number> {
  if (from !== undefined) next = from - first;
  await mkdir(reservations(), { recursive: true });
  for (let tries = 0; tries < count; tries++) {
    const port = first + next;
    next = (next + 1) % count;
    if (!(await claim(port))) continue;
    if (await isFree(port)) return port;
    await releasePort(port);
  }
  throw new Error(`no free port between ${first} and ${first + count - 1} on 127.0.0.1`);
}

/** Gives a port back that `reservePort` returned. */
export async function releasePort(port: number): Promise<void> {
  await rm(reservation(port), { force: true });
}

async function claim(port: number): Promise<boolean> {
  for (let tries = 0; tries < 2; tries++) {
    try {
      await using file = await open(reservation(port), "wx");
      await file.writeFile(String(process.pid));
      return true;
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
    }
    const owner = Number(await readFile(reservation(port), "utf8").catch(() => ""));
    // An empty file is a claim that is being written at this moment.
    if (owner === 0 || isAlive(owner)) return false;
    await releasePort(port);
  }
  return false;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}

/** Whether a process of this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isCode(error, "EPERM");
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function reservation(port: number): string {
  return join(reservations(), String(port));
}

function reservations(): string {
  return join(tmpdir(), `cufflink-ports-${userInfo().uid}`);
}
