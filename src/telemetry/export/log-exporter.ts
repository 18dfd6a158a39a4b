import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { ExportResultCode, hrTimeToMilliseconds, type ExportResult } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { formatDuration } from "../../metadata/duration.ts";
import type { Logger } from "../../logger.ts";

/** Writes spans to the log. */
export class LogExporter implements SpanExporter {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  export(spans: readonly ReadableSpan[], done: (result: ExportResult) => void): void {
    for (const span of spans) this.#logger.info(factsOf(span), "span");
    done({ code: ExportResultCode.SUCCESS });
  }

  async shutdown(): Promise<void> {}
}

function factsOf(span: ReadableSpan) {
  const { name, kind, parentSpanContext, duration, status } = span;
  const { traceId, spanId } = span.spanContext();
  return {
    span: name,
    kind: SpanKind[kind].toLowerCase(),
    trace_id: traceId,
    span_id: spanId,
    parent_id: parentSpanContext?.spanId,
    took: formatDuration(hrTimeToMilliseconds(duration)),
    ...(status.code === SpanStatusCode.ERROR && { error: status.message ?? "" }),
  };
}
