import { spawn, type ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The recording app in a process of its own. */
export type AppProcess = {
  readonly process: ChildProcess;
  kill(): Promise<void>;
};

export async function startApp(options: {
  port: number;
  file: string;
  bindings: readonly string[];
  behaviour?: string;
}): Promise<AppProcess> {
  const script = join(import.meta.dirname, "recording-app.ts");
  const { port, file, bindings, behaviour = "" } = options;
  const child = spawn(
    process.execPath,
    [script, String(port), file, bindings.join(","), behaviour],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the app ended with ${code ?? "a signal"}`)));
  });
  return {
    process: child,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** What the app has written: `accepted|refused <binding> <text> <attempt>`. */
export async function recorded(
  file: string,
): Promise<{ verdict: string; binding: string; text: string; attempt: string }[]> {
  const content = await readFile(file, "utf8").catch(() => "");
  return content
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [verdict = "", binding = "", text = "", attempt = ""] = line.split(" ");
      return { verdict, binding, text, attempt };
    });
}
