import { createNoopMeter } from "@opentelemetry/api";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type SpanProcessor } from "@opentelemetry/sdk-trace";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import type { Tracer } from "../../runtime/tracer.ts";
import { version } from "../../version.ts";
import { attribute, schemaUrl } from "./conventions.ts";
import { ExportHealth } from "./export-health.ts";
import { OtelTracer } from "./otel-tracer.ts";
import type { BatchSettings, SpanTarget, TraceSettings } from "./settings.ts";
import { spanExporter } from "./span-exporters.ts";

/** Traces that are made and exported. */
export type Tracing = {
  readonly tracer: Tracer;
  /** Spans that did not come to a target, since the start. */
  readonly dropped: number;
  /** Exports what there is, for so many milliseconds at most. Never rejects. */
  shutdown(within: number): Promise<void>;
};

/** How long a target in trouble is waited for at the end, in milliseconds. */
const lastTry = 500;

/** Begins to trace. Called once, by who has read that something is to be exported. */
export function startTracing(
  { sampling, targets, batch, limits }: TraceSettings,
  about: Readonly<Record<string, string>>,
  logger: Logger,
): Tracing {
  const healths: ExportHealth[] = [];
  const spanProcessors = targets.flatMap((target) => {
    const health = new ExportHealth("traces", nameOf(target), logger);
    const processor = processorOf(target, batch, health, logger);
    if (processor !== undefined) healths.push(health);
    return processor ?? [];
  });
  const resource = defaultResource().merge(
    resourceFromAttributes({ [attribute.serviceVersion]: version, ...about }, { schemaUrl }),
  );
  const tracer = new OtelTracer(sampling, {
    ...{ resource, spanProcessors },
    spanLimits: {
      attributeValueLengthLimit: limits.valueLength,
      attributeCountLimit: limits.attributes,
      eventCountLimit: limits.events,
      linkCountLimit: limits.links,
      attributePerEventCountLimit: limits.eventAttributes,
      attributePerLinkCountLimit: limits.linkAttributes,
    },
  });
  return {
    tracer,
    get dropped() {
      return healths.reduce((sum, { dropped }) => sum + dropped, 0);
    },
    async shutdown(within) {
      const isTroubled = healths.some(({ troubled }) => troubled);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, isTroubled ? Math.min(lastTry, within) : within);
      });
      const ended = tracer.provider.shutdown().catch((error: unknown) => {
        logger.warn({ reason: messageOf(error) }, "the last spans could not be exported");
      });
      await Promise.race([ended, late]);
      clearTimeout(timer);
    },
  };
}

/** `undefined`: it cannot be made, which is told. */
function processorOf(
  target: SpanTarget,
  { delay, timeout, queue, batch }: BatchSettings,
  health: ExportHealth,
  logger: Logger,
): SpanProcessor | undefined {
  try {
    return new BatchSpanProcessor({
      exporter: spanExporter(target, Math.ceil(queue / batch) + 1, health, logger),
      ...{ maxQueueSize: queue, maxExportBatchSize: batch },
      ...{ scheduledDelayMillis: delay, exportTimeoutMillis: timeout },
      selfObsMeterProvider: { getMeter: () => dropMeter(health) },
    });
  } catch (error) {
    const facts = { target: nameOf(target), reason: messageOf(error) };
    logger.error(facts, "no traces are exported there");
    return undefined;
  }
}

/** Hears of the SDK's own metrics the one that tells of spans for which its queue has no room. */
function dropMeter(health: ExportHealth) {
  const meter = createNoopMeter();
  const createCounter = meter.createCounter.bind(meter);
  meter.createCounter = (name, options) => {
    const counter = createCounter(name, options);
    if (name !== "otel.sdk.processor.span.processed") return counter;
    return {
      add(count, attributes) {
        if (attributes?.[attribute.errorType] !== "queue_full") return;
        health.drop(count, "the queue is full (OTEL_BSP_MAX_QUEUE_SIZE)");
      },
    };
  };
  return meter;
}

/** Without what a URL may have of secrets. */
function nameOf(target: SpanTarget): string {
  return target.kind === "log" ? "the log" : new URL(target.url).origin;
}
