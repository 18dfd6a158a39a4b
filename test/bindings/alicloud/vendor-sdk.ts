import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { buildGoProgram, goProgram } from "../../servers/go-program.ts";

/** Runs Alibaba's own SDK, and gives each line of it to the test. Resolves at its end. */
export async function runVendorSdk(
  args: readonly string[],
  told: (value: unknown) => void,
): Promise<void> {
  await buildGoProgram("aliyun-sdk");
  const child = spawn(goProgram("aliyun-sdk"), args, { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (text) => (errors += String(text)));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  for await (const line of createInterface({ input: child.stdout })) told(JSON.parse(line));
  const code = await ended;
  if (code !== 0) throw new Error(`the SDK ended with ${code}: ${errors}`);
}
