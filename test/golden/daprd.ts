import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentText, prepareRuntime } from "../reliability/runtime.ts";
import type { Serve } from "./run-suite.ts";

/** Runs the daprd of this path in a process of its own. */
export function serveDaprd(daprd: string): Serve {
  return async (components, { road, port, environment = {} }) => {
    const folder = await mkdtemp(join(tmpdir(), "cufflink-golden-daprd-"));
    const runtime = await prepareRuntime(
      "daprd",
      { folder, daprd },
      {
        resources: { "all.yaml": components.map(componentText).join("---\n") },
        ...{ appPort: port, appProtocol: road, environment },
      },
    );
    const close = async (): Promise<void> => {
      await runtime.end();
      await runtime[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    };
    try {
      await runtime.start();
    } catch (error) {
      await close();
      throw error;
    }
    return { httpPort: runtime.httpPort, grpcPort: runtime.grpcPort, [Symbol.asyncDispose]: close };
  };
}
