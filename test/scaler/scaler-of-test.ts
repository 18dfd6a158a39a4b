import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Client } from "@connectrpc/connect";
import { onTestFinished } from "vitest";
import { ExternalScaler } from "../../gen/externalscaler/externalscaler_pb.ts";
import { createGrpcTransport } from "../../src/grpc/transport.ts";
import { startScaler } from "../../src/cli/run-scaler.ts";
import type { ScalerFlags } from "../../src/cli/scaler.ts";
import type { RuntimeLogger } from "../../src/runtime/runtime-logger.ts";

export type ScalerOfTest = {
  readonly port: number;
  /** What the log warned of. */
  readonly warnings: readonly string[];
  readonly client: Client<typeof ExternalScaler>;
  /** Writes components in place of those that were. */
  define(components: Components): Promise<void>;
};

/** Metadata by the component's name, and its type. */
export type Components = Readonly<
  Record<string, { readonly type: string; readonly metadata: Record<string, string> }>
>;

/** What `cufflink scaler` runs, in this process; it ends with the test. */
export async function scalerOf(
  components: Components,
  more: Partial<ScalerFlags> = {},
): Promise<ScalerOfTest> {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-scaler-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const define = (all: Components): Promise<void> =>
    writeFile(join(folder, "components.yaml"), yamlOf(all));
  await define(components);
  const warnings: string[] = [];
  const logger: RuntimeLogger = {
    ...{ debug() {}, info() {}, error() {} },
    warn: (_, text) => void warnings.push(text),
    child: () => logger,
  };
  const scaler = await startScaler(
    {
      ...{ appId: "shop", port: 0, listenAddresses: ["127.0.0.1"], resourcesPaths: [folder] },
      ...{ configPaths: [], kubernetes: undefined, bindings: [], driversFolder: undefined },
      ...{ allowExec: false, timeout: 20_000, maxAge: 20, interval: 50 },
      ...{ tlsCert: undefined, tlsKey: undefined, tlsKeyPassphraseFile: undefined },
      ...{ logLevel: "info", logAsJson: false, ...more },
    },
    logger,
  );
  const { port } = scaler;
  onTestFinished(async () => {
    scaler.end("the test is over");
    await scaler.ended;
  });
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` });
  onTestFinished(() => transport.close());
  return { port, warnings, define, client: createClient(ExternalScaler, transport) };
}

/** A trigger as KEDA passes it on. */
export function trigger(component: string, more: Record<string, string> = {}) {
  const scalerMetadata = { scalerAddress: "scaler:9191", component, ...more };
  return { name: "shop", namespace: "shops", scalerMetadata };
}

/** What a component's backlog is said to be. */
export async function backlogOf({ client }: ScalerOfTest, component: string): Promise<number> {
  const scaledObjectRef = trigger(component);
  const { metricSpecs } = await client.getMetricSpec(scaledObjectRef);
  const metricName = metricSpecs[0]?.metricName ?? "";
  const { metricValues } = await client.getMetrics({ scaledObjectRef, metricName });
  return metricValues[0]?.metricValueFloat ?? Number.NaN;
}

function yamlOf(components: Components): string {
  return Object.entries(components)
    .map(([name, { type, metadata }]) =>
      [
        ...["apiVersion: dapr.io/v1alpha1", "kind: Component", "metadata:"],
        ...[`  name: ${name}`, "spec:", `  type: bindings.${type}`, "  version: v1"],
        "  metadata:",
        ...Object.entries(metadata).map(
          ([key, value]) => `    - {name: ${key}, value: ${JSON.stringify(value)}}`,
        ),
      ].join("\n"),
    )
    .join("\n---\n");
}
