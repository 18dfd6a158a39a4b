import { SpanStatusCode, type Span as SdkSpan } from "@opentelemetry/api";
import type { Span, SpanFailure, SpanValue } from "../../runtime/tracer.ts";
import { attribute } from "./conventions.ts";

/** Longer texts of failures are cut. */
const longestMessage = 1_000;

/** A span of the SDK as the runtime knows it. */
export class RecordedSpan implements Span {
  readonly traceparent: string;
  readonly traceId: string;
  readonly spanId: string;
  protected readonly span: SdkSpan;
  #ended = false;

  constructor(span: SdkSpan) {
    this.span = span;
    ({ traceId: this.traceId, spanId: this.spanId } = span.spanContext());
    this.traceparent = `00-${this.traceId}-${this.spanId}-01`;
  }

  set(name: string, value: SpanValue): void {
    if (value !== undefined && !this.#ended) this.span.setAttribute(name, value);
  }

  rename(name: string): void {
    if (!this.#ended) this.span.updateName(name);
  }

  note(name: string, values: Readonly<Record<string, SpanValue>>): void {
    if (!this.#ended) this.span.addEvent(name, values);
  }

  end(failure?: SpanFailure): void {
    if (this.#ended) return;
    if (failure !== undefined) {
      this.span.setAttribute(attribute.errorType, failure.type);
      const message = failure.message.slice(0, longestMessage);
      this.span.setStatus({ code: SpanStatusCode.ERROR, message });
    }
    this.#ended = true;
    this.span.end();
  }
}
