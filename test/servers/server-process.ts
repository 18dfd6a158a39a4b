import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";

/** A program to run: what, with which arguments, and what is set in its environment beside PATH. */
export interface Command {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** A started program whose output goes to a file. */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves, to how it ended, once the process is gone. */
  readonly ended: Promise<string>;
  /** Whether it has ended. */
  readonly gone: boolean;
  signal(name: NodeJS.Signals): void;
}

/** Starts a program in `folder` with its output appended to `log`. It does not outlive this process. */
export async function spawnServer(
  command: Command,
  folder: string,
  log: string,
): Promise<ServerProcess> {
  await using output = await open(log, "a");
  const [program, ...args] = tied([command.program, ...command.arguments]);
  const child = spawn(program as string, args, {
    cwd: folder,
    env: { PATH: searchPath(), HOME: folder, LANG: "C.UTF-8", ...command.environment },
    stdio: ["ignore", output.fd, output.fd],
  });
  const started = new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  let gone = false;
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => {
      gone = true;
      running.delete(child);
      resolve(signal === null ? `ended with code ${code}` : `ended by ${signal}`);
    });
  });
  running.add(child);
  try {
    await started;
  } catch (error) {
    running.delete(child);
    throw error;
  }
  return {
    pid: child.pid as number,
    ended,
    get gone() {
      return gone;
    },
    signal: (name) => void child.kill(name),
  };
}

/** The folders that are searched for programs: those of PATH, and where servers are that only root may start. */
export function searchPath(): string {
  const own = process.env["PATH"] ?? "";
  return [own, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    .filter((part) => part !== "")
    .join(":");
}

/** The absolute path of an installed program, or undefined. */
export function findProgram(...names: string[]): string | undefined {
  const folders = searchPath().split(":");
  for (const name of names) {
    if (name.startsWith("/")) {
      if (existsSync(name)) return name;
      continue;
    }
    const folder = folders.find((folder) => existsSync(`${folder}/${name}`));
    if (folder !== undefined) return `${folder}/${name}`;
  }
  return undefined;
}

const running = new Set<ChildProcess>();

process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Linux ends the server with the process that started it, even where that one was killed. */
function tied(command: string[]): string[] {
  const setpriv = process.platform === "linux" ? findProgram("setpriv") : undefined;
  return setpriv === undefined ? command : [setpriv, "--pdeathsig", "KILL", "--", ...command];
}
