import type { TestProject } from "vitest/node";
import { installTestDrivers } from "../../scripts/test-drivers.ts";
import { isCi, report } from "./missing-servers.ts";
import { shareServers } from "./shared-servers.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Port on 127.0.0.1 where test files ask for servers. */
    serversPort: number;
  }
}

/** Vitest calls this before the first test file; what it returns, after the last. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  installTestDrivers();
  const servers = await shareServers();
  project.provide("serversPort", servers.port);
  return async () => {
    const { missing } = servers;
    await servers[Symbol.asyncDispose]();
    if (missing.length === 0) return;
    process.stdout.write(`\n${report(missing, project.config.root)}\n`);
    if (isCi()) process.exitCode = 1;
  };
}
