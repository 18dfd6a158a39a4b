import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram, searchPath } from "./server-process.ts";

const run = promisify(execFile);
const limit = 600_000;
const policyFile = "/usr/sbin/policy-rc.d";

/**
 * Installs packages of the distribution, on Debian and its kin, as root. Their system services are not started.
 * Rejects with the reason where that cannot be done.
 */
export async function installPackages(...packages: string[]): Promise<void> {
  const named = packages.join(", ");
  if (process.env["CUFFLINK_TEST_INSTALL"] === "0") {
    throw new Error(`${named} not installed, and CUFFLINK_TEST_INSTALL=0 forbids to install`);
  }
  if (!isDebian()) throw new Error(`${named} not installed, and this is no Debian to install from`);
  if (process.getuid?.() !== 0) {
    throw new Error(
      `${named} not installed, and only root can: apt-get install ${packages.join(" ")}`,
    );
  }
  await withFileLock("cufflink-install", async () => {
    await withoutServices(async () => {
      const install = ["install", "-y", "-qq", "--no-install-recommends", ...packages];
      try {
        await aptGet(...install);
      } catch {
        // The list of packages is missing or too old.
        await aptGet("update", "-qq");
        await aptGet(...install);
      }
    });
  });
}

/** Runs `work` while no other process holds the lock of this name on this machine. */
export async function withFileLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const flock = findProgram("flock");
  if (flock === undefined) return work();
  const file = join(tmpdir(), `${name}.lock`);
  const { spawn } = await import("node:child_process");
  // The lock is held for as long as this child lives, and it ends with its standard input.
  const holder = spawn(flock, ["-w", String(limit / 1000), file, "sh", "-c", "echo locked; cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => holder.once("close", () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once("data", () => resolve());
      holder.once("error", reject);
      holder.once("exit", () => reject(new Error(`${file} has been locked for ${limit / 1000} s`)));
    });
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}

async function aptGet(...args: string[]): Promise<void> {
  try {
    await run("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], {
      env: { PATH: searchPath(), DEBIAN_FRONTEND: "noninteractive", LANG: "C.UTF-8" },
      timeout: limit,
      maxBuffer: 64 << 20,
    });
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
    const tail = said.trim().split("\n").slice(-3).join(" ");
    throw new Error(`apt-get ${args.join(" ")} failed: ${tail || String(error)}`, { cause: error });
  }
}

/** A package starts its service when it is installed, unless this file forbids it. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  if (existsSync(policyFile)) return work();
  await writeFile(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await work();
  } finally {
    await rm(policyFile, { force: true });
  }
}

function isDebian(): boolean {
  if (findProgram("apt-get") === undefined) return false;
  try {
    return /^ID(_LIKE)?=.*debian/m.test(readFileSync("/etc/os-release", "utf8"));
  } catch {
    return false;
  }
}
