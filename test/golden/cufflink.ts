import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "../../src/app/app.ts";
import { bindings } from "../../src/bindings/index.ts";
import { loadResources } from "../../src/resources/load.ts";
import { RuntimeDescription } from "../../src/rpc/description.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { RuntimeLogger } from "../../src/runtime/runtime-logger.ts";
import { createHttpEndpoints } from "../../src/server/http-endpoints.ts";
import { createServer } from "../../src/server/server.ts";
import type { Store } from "../../src/store/store.ts";
import { version } from "../../src/version.ts";
import { componentText, type Component } from "../reliability/runtime.ts";
import type { Road } from "./app.ts";

/** The ports that a runtime serves on. */
export type Served = AsyncDisposable & { readonly httpPort: number; readonly grpcPort: number };

const silent: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Runs Cufflink in this process over component files, as `serve` puts it together. */
export async function serveCufflink(
  components: readonly Component[],
  app: { road: Road; port: number; environment?: Readonly<Record<string, string>> },
  store?: Store,
): Promise<Served & { readonly runtime: Runtime }> {
  const { environment = {} } = app;
  Object.assign(process.env, environment);
  const folder = await mkdtemp(join(tmpdir(), "cufflink-golden-"));
  await writeFile(join(folder, "all.yaml"), components.map(componentText).join("---\n"));
  const resources = await loadResources({
    ...{ paths: [folder], appId: "golden", bindings, frameworkFields: componentFields },
  });
  if (resources.problems.length > 0) throw new Error(JSON.stringify(resources.problems));
  const joined = await createApp({ protocol: app.road, port: app.port, logger: silent });
  const runtime = createRuntime({
    ...{ appId: "golden", bindings, app: joined, logger: silent, http: createHttpEndpoints() },
    store,
  });
  const description = new RuntimeDescription({
    ...{ appId: "golden", version, runtime, features: () => ["HotReload"] },
    app: { protocol: app.road, address: "127.0.0.1", port: app.port },
  });
  const server = await createServer({
    ...{ runtime, description, shutdown: () => undefined },
    addresses: [{ host: "127.0.0.1", port: 0 }],
  });
  await runtime.apply(resources.components);
  const port = server.ports[0] ?? 0;
  return {
    httpPort: port,
    grpcPort: port,
    runtime,
    async [Symbol.asyncDispose]() {
      await server.close(0);
      await runtime.close();
      await joined.close();
      await rm(folder, { recursive: true, force: true });
      for (const name of Object.keys(environment)) delete process.env[name];
    },
  };
}
