import type { Logger } from "../logger.ts";
import type { TracingConfiguration } from "../resources/tracing-configuration.ts";
import type { Tracing } from "../telemetry/tracing/start.ts";

export type TelemetryOptions = {
  readonly appId: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What Dapr's Configuration says. */
  readonly configuration: TracingConfiguration | undefined;
  readonly logger: Logger;
};

/** Begins to export what is asked for. `undefined`: nothing is, and nothing was loaded for it. */
export async function startTelemetry({
  appId,
  variables,
  configuration,
  logger,
}: TelemetryOptions): Promise<Tracing | undefined> {
  const isNamed = Object.keys(variables).some((name) => name.startsWith("OTEL_"));
  if (!isNamed && configuration === undefined) return undefined;
  const { readExportSettings } = await import("../telemetry/tracing/settings.ts");
  const { traces, resource, warnings } = readExportSettings(variables, configuration, appId);
  for (const warning of warnings) logger.warn({ warning }, "a setting of telemetry");
  if (traces === undefined) return undefined;
  const { startTracing } = await import("../telemetry/tracing/start.ts");
  return startTracing(traces, resource, logger);
}
