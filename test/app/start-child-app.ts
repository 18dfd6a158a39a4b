import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export type ChildApp = AsyncDisposable & {
  /** Resolves at the next line that says so. */
  line(text: string): Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
};

/** Starts `child-app.ts`; resolves when it listens. */
export async function startChildApp(protocol: "grpc" | "http", port: number): Promise<ChildApp> {
  const script = fileURLToPath(new URL("child-app.ts", import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [script, protocol, String(port)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout! });
  const line = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const check = (seen: string): void => {
        if (seen !== text) return;
        lines.off("line", check);
        resolve();
      };
      lines.on("line", check);
    });
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  await line("listening");
  return { line, kill, [Symbol.asyncDispose]: kill };
}
