import type { InboundEvent, NullAs } from "../binding.ts";
import type { App, Outcome } from "./app.ts";
import { deliverTraced } from "./delivery/traced.ts";
import type { Tracer } from "./tracer.ts";

/** The component that a test event seems to come from. */
export type EmittingComponent = {
  readonly name: string;
  readonly type: string;
  readonly route: string;
  readonly nullAs: NullAs;
};

/** Hands a test event to the app, once, as soon as it takes one more event. */
export async function emitTo(
  app: App,
  { name, type, route, nullAs }: EmittingComponent,
  event: Pick<InboundEvent, "data" | "metadata" | "headers">,
  signal: AbortSignal,
  tracer: Tracer | undefined,
): Promise<Outcome> {
  await roomFor(app, signal);
  if (!app.available) return { kind: "unsent", reason: app.unavailableReason };
  const alone = { lane: undefined, key: undefined, id: undefined };
  const once = { attempt: 1, attempts: 1, lastError: undefined };
  const delivery = { name, route, nullAs, ...alone, ...event, ...once };
  return deliverTraced(tracer, { name, type }, delivery, (one) => app.deliver(one, signal));
}

/** Resolves once an app that gives credit has some left, is gone, or nobody waits any more. */
async function roomFor(app: App, signal: AbortSignal): Promise<void> {
  const { intake } = app;
  if (intake === undefined) return;
  const isFull = (): boolean =>
    app.available && !signal.aborted && intake.takes(undefined, 0) === "full";
  if (!isFull()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = (): void => {
    if (!isFull()) resolve();
  };
  const ends = [intake.onRoom(look), app.onAvailability(look)];
  signal.addEventListener("abort", look, { once: true });
  await promise;
  signal.removeEventListener("abort", look);
  for (const end of ends) end();
}
