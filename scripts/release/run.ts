import { execFileSync } from "node:child_process";

/** Runs a program whose errors are shown. Throws if it fails. */
export function run(program: string, args: readonly string[], cwd: string): void {
  execFileSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}
