import { createNoopMeter } from "@opentelemetry/api";
import { BatchSpanProcessor, type SpanProcessor } from "@opentelemetry/sdk-trace";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import type { Tracer } from "../../runtime/tracer.ts";
import { attribute } from "./conventions.ts";
import { ExportHealth } from "./export-health.ts";
import { OtelTracer } from "./otel-tracer.ts";
import { resourceOf } from "./resource.ts";
import type { BatchSettings, SpanTarget, TraceSettings } from "./settings.ts";
import { spanExporter } from "./span-exporters.ts";

/** A signal that is exported. */
export type Exporting = {
  /** Spans or data points that did not come to a target, since the start. */
  readonly dropped: number;
  /** What was exported last did not arrive. */
  readonly troubled: boolean;
  /** Exports what there is, and ends. */
  flush(): Promise<void>;
};

/** Begins to trace. Called once, by who has read that something is to be exported. */
export function startTracing(
  { sampling, targets, batch, limits }: TraceSettings,
  about: Readonly<Record<string, string>>,
  logger: Logger,
): Exporting & { readonly tracer: Tracer } {
  const healths: ExportHealth[] = [];
  const spanProcessors = targets.flatMap((target) => {
    const health = new ExportHealth("traces", nameOf(target), logger);
    const processor = processorOf(target, batch, health, logger);
    if (processor !== undefined) healths.push(health);
    return processor ?? [];
  });
  const tracer = new OtelTracer(sampling, {
    ...{ resource: resourceOf(about), spanProcessors },
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
    get troubled() {
      return healths.some(({ troubled }) => troubled);
    },
    flush: () => tracer.provider.shutdown(),
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
