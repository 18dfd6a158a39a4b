import { vi } from "vitest";
import { main } from "../../src/cli/main.ts";

/** Runs a command line in this process, which is quicker than in one of its own; one at a time. */
export async function cufflinkHere(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: "", stderr: "" };
  const listeners = process.stdout.listeners("error");
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      written[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
      return true;
    }),
  );
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  try {
    const code = await main(args);
    return { code, ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
    vi.unstubAllEnvs();
    for (const one of process.stdout.listeners("error")) {
      if (!listeners.includes(one)) process.stdout.off("error", one as () => void);
    }
  }
}
