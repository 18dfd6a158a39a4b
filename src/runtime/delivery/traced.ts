import { createHash } from "node:crypto";
import type { InboundEvent } from "../../binding.ts";
import type { DeadLetter } from "../../store/records.ts";
import type { Delivery, Outcome } from "../app.ts";
import type { End } from "../records/history-ring.ts";
import { isSampled, isTraced, otherTraces, traceOf } from "../trace.ts";
import type { AnswerSpan, Span, SpanFailure, TracedComponent, Tracer } from "../tracer.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import { Entry } from "./entry.ts";
import type { Window } from "./window.ts";

/** Takes an event in, and begins its span where its trace is sampled. */
export function enter(
  { tracer, name, type }: Pick<DeliveryOptions, "tracer" | "name" | "type">,
  event: InboundEvent,
  window: Window,
  redriven: DeadLetter | undefined,
): Entry {
  const entry = new Entry(event, window, redriven, tracer?.sampling);
  if (tracer === undefined || !isSampled(entry.trace["traceparent"])) return entry;
  const { traceparent, tracestate } = entry.trace;
  const again = redriven && { number: redriven.redrives + 1, deadLetter: redriven.id };
  const links = [...otherTraces(event), ...(redriven ? [deadLetterSpan(redriven)] : [])];
  entry.span = tracer.event(
    { component: { name, type }, event, redrive: again },
    isTraced(event) ? { parent: traceparent, tracestate, links } : { own: traceparent, links },
  );
  return entry;
}

/** Begins the span of a dead letter that goes to an output, where its trace is sampled. */
export function beginRedrive(tracer: Tracer, deadLetter: DeadLetter): Span | undefined {
  const { event, component: name, type, redrives, id } = deadLetter;
  const { traceparent, tracestate } = traceOf(event, tracer.sampling);
  if (!isSampled(traceparent)) return undefined;
  const links = [deadLetterSpan(deadLetter)];
  const place = isTraced(event)
    ? { parent: traceparent, tracestate, links }
    : { own: traceparent, links };
  const redrive = { number: redrives + 1, deadLetter: id };
  return tracer.event({ component: { name, type }, event, redrive }, place);
}

/**
 * The traceparent of the span in which an event became that dead letter. Its id is made of the dead letter's, by which
 * whoever redrives it knows it again, in this process or another.
 */
export function deadLetterSpan({ id, traceId }: Pick<DeadLetter, "id" | "traceId">): string {
  const span = createHash("sha256").update(id).digest("hex").slice(0, 16);
  return `00-${traceId}-${span}-01`;
}

/** Begins the span of an event's next attempt, unless there is one, where the event has one. */
export function beginAttempt({ tracer, name, type, policy }: DeliveryOptions, entry: Entry): void {
  if (entry.span === undefined || entry.attemptSpan !== undefined) return;
  const { attempts } = policy.retry;
  const of = Number.isFinite(attempts) ? attempts : undefined;
  entry.attemptSpan = tracer?.attempt({ name, type }, entry.failed + 1, of, entry.span);
}

/** Begins the span of the app's answer, where the attempt has one. */
export function beginAnswer(
  { tracer, name, type }: Pick<DeliveryOptions, "tracer" | "name" | "type">,
  { attemptSpan }: Entry,
): AnswerSpan | undefined {
  return attemptSpan && tracer?.answer({ name, type }, attemptSpan);
}

export function endAttempt(entry: Entry, outcome: Outcome | { readonly kind: "duplicate" }): void {
  const span = entry.attemptSpan;
  if (span === undefined) return;
  entry.attemptSpan = undefined;
  endBy(span, outcome);
}

/** Ends a span by what has become of an attempt. */
export function endBy(span: Span, outcome: Outcome | { readonly kind: "duplicate" }): void {
  span.set("cufflink.outcome", outcome.kind);
  const hasFailed = outcome.kind === "refused" || outcome.kind === "unsent";
  span.end(hasFailed ? failureOf(outcome.kind, outcome.reason) : undefined);
}

/** Ends the span of an event. */
export function endEvent(entry: Entry, { how, reason, deadLetter }: End): void {
  const { span } = entry;
  if (span === undefined) return;
  if (entry.attemptSpan !== undefined) endAttempt(entry, { kind: "not attempted" });
  span.set("cufflink.event.end", how);
  if (deadLetter !== undefined) span.set("cufflink.dead_letter.id", deadLetter);
  const hasFailed = how === "dead letter" || how === "output" || how === "returned";
  span.end(hasFailed ? failureOf(how, reason) : undefined);
}

/** Hands over an event that is no source's, with its spans. */
export async function deliverTraced(
  tracer: Tracer | undefined,
  component: TracedComponent,
  event: Omit<Delivery, "trace" | "span">,
  deliver: (delivery: Delivery) => Promise<Outcome>,
): Promise<Outcome> {
  const trace = traceOf(event, tracer?.sampling);
  const { traceparent, tracestate } = trace;
  if (tracer === undefined || !isSampled(traceparent)) return deliver({ ...event, trace });
  const place = isTraced(event) ? { parent: traceparent, tracestate } : { own: traceparent };
  const span = tracer.event({ component, event }, place);
  const answer = tracer.answer(component, span);
  const outcome = await deliver({
    ...event,
    trace: { ...trace, traceparent: answer.traceparent },
    span: answer,
  });
  endBy(answer, outcome);
  endBy(span, outcome);
  return outcome;
}

function failureOf(type: string, message: string): SpanFailure {
  return { type: type.replaceAll(" ", "_"), message };
}
