import { messageOf } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { TracingConfiguration } from "../resources/tracing-configuration.ts";
import type { Tracer } from "../runtime/tracer.ts";
import type { MetricSettings } from "../telemetry/export/settings.ts";
import type { Exporting } from "../telemetry/export/start.ts";
import { telemetryDropped } from "../telemetry/metric-model.ts";
import type { Metrics } from "../telemetry/metrics.ts";

export type TelemetryOptions = {
  readonly appId: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What Dapr's Configuration says. */
  readonly configuration: TracingConfiguration | undefined;
  /** `undefined`: another thread exports them. */
  readonly metrics: Pick<Metrics, "collect" | "add"> | undefined;
  readonly logger: Logger;
};

/** What is exported to other systems. */
export type Telemetry = {
  /** `undefined`: nothing is traced. */
  readonly tracer: Tracer | undefined;
  /** Exports what there is, for a short time at most. Never rejects. */
  close(): Promise<void>;
};

/** How long the last exports may take, in milliseconds, and where the last ones did not arrive. */
const longestFlush = 2_500;
const lastTry = 500;

/** Begins to export what is asked for. `undefined`: nothing is, and nothing was loaded for it. */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry | undefined> {
  const { appId, variables, configuration, metrics, logger } = options;
  const isNamed = Object.keys(variables).some((name) => name.startsWith("OTEL_"));
  if (!isNamed && configuration === undefined) return undefined;
  const { readExportSettings } = await import("../telemetry/export/settings.ts");
  const settings = readExportSettings(variables, configuration, appId);
  for (const warning of settings.warnings) logger.warn({ warning }, "a setting of telemetry");
  const { resource } = settings;
  const traces =
    settings.traces &&
    (await import("../telemetry/export/start.ts")).startTracing(settings.traces, resource, logger);
  const exported =
    metrics &&
    settings.metrics &&
    (await beginMetrics(metrics, logger, settings.metrics, resource));
  if (traces === undefined && exported === undefined) return undefined;
  metrics?.add((page) => {
    if (traces !== undefined) page.number(telemetryDropped, { signal: "traces" }, traces.dropped);
    if (exported !== undefined)
      page.number(telemetryDropped, { signal: "metrics" }, exported.dropped);
  });
  const all = [traces, exported].filter((one) => one !== undefined);
  return {
    tracer: traces?.tracer,
    close: async () => void (await Promise.all(all.map((one) => flush(one, logger)))),
  };
}

/** `undefined`: it cannot begin, which is told. */
async function beginMetrics(
  metrics: NonNullable<TelemetryOptions["metrics"]>,
  logger: Logger,
  settings: MetricSettings,
  resource: Readonly<Record<string, string>>,
): Promise<Exporting | undefined> {
  const { startMetrics } = await import("../telemetry/export/start-metrics.ts");
  try {
    return startMetrics(settings, resource, metrics, logger);
  } catch (error) {
    logger.error({ reason: messageOf(error) }, "no metrics are exported");
    return undefined;
  }
}

async function flush(exporting: Exporting, logger: Logger): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, exporting.troubled ? lastTry : longestFlush);
  });
  const ended = exporting.flush().catch((error: unknown) => {
    logger.warn({ reason: messageOf(error) }, "the last telemetry could not be exported");
  });
  await Promise.race([ended, late]);
  clearTimeout(timer);
}
