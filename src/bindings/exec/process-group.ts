import { spawn, type ChildProcess } from "node:child_process";
import type { Program } from "./program.ts";

/** Groups that run. They end with this process, however it ends, unless it is killed. */
const running = new Set<ProcessGroup>();

/** A program that runs in a process group of its own, with what it started. */
export class ProcessGroup {
  readonly child: ChildProcess;
  #timer: NodeJS.Timeout | undefined;

  /** Throws where it cannot be started; what comes up later is an `error` of the child. */
  constructor({ path, args, env, folder }: Program) {
    this.child = spawn(path, args, {
      cwd: folder,
      env,
      detached: true,
      shell: false,
      windowsHide: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    if (running.size === 0) process.once("exit", killAll);
    running.add(this);
  }

  /** Asks it to end, and makes it after the delay, in milliseconds. */
  end(delay: number): void {
    if (this.#timer !== undefined) return;
    this.#signal("SIGTERM");
    this.#timer = setTimeout(this.kill, delay);
  }

  /** Ends it and what it started, at once. */
  readonly kill = (): void => this.#signal("SIGKILL");

  /** The program has ended; what it started and left behind ends too. */
  done(): void {
    clearTimeout(this.#timer);
    this.kill();
    running.delete(this);
    if (running.size === 0) process.off("exit", killAll);
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.child;
    if (pid === undefined) return;
    try {
      if (process.platform === "win32") this.child.kill(signal);
      else process.kill(-pid, signal);
    } catch {
      // Nobody of the group is left.
    }
  }
}

function killAll(): void {
  for (const group of running) group.kill();
}
