import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Client } from "@connectrpc/connect";
import { onTestFinished } from "vitest";
import { ExternalScaler } from "../../gen/externalscaler/externalscaler_pb.ts";
import { createGrpcTransport } from "../../src/grpc/transport.ts";
import { Command } from "../cli/command.ts";

export type ScalerProcess = {
  readonly port: number;
  readonly folder: string;
  readonly command: Command;
  readonly client: Client<typeof ExternalScaler>;
  /** Writes components in place of those that were. */
  define(components: Components): Promise<void>;
};

/** Metadata by the component's name, and its type. */
export type Components = Readonly<
  Record<string, { readonly type: string; readonly metadata: Record<string, string> }>
>;

/** Starts `cufflink scaler` as a process of its own, which ends with the test. */
export async function startScaler(
  components: Components,
  more: readonly string[] = [],
  appId = "shop",
): Promise<ScalerProcess> {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-scaler-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const define = (all: Components): Promise<void> =>
    writeFile(join(folder, "components.yaml"), yamlOf(all));
  await define(components);
  const command = new Command([
    ...["scaler", "--app-id", appId, "--resources-path", folder, "--port", "0"],
    ...["--listen-addresses", "127.0.0.1", "--log-as-json"],
    ...["--max-age", "20ms", "--interval", "50ms", ...more],
  ]);
  const port = Number((await command.printed(/"port":(\d+)/))[1]);
  await command.printed(/ready: the components were read/);
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` });
  onTestFinished(() => transport.close());
  return { port, folder, command, define, client: createClient(ExternalScaler, transport) };
}

/** A trigger as KEDA passes it on. */
export function trigger(component: string, more: Record<string, string> = {}) {
  const scalerMetadata = { scalerAddress: "scaler:9191", component, ...more };
  return { name: "shop", namespace: "shops", scalerMetadata };
}

/** What a component's backlog is said to be. */
export async function backlogOf({ client }: ScalerProcess, component: string): Promise<number> {
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
