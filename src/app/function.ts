import type { Logger } from "../binding.ts";
import { BindingError } from "../errors.ts";
import { type BindingEvent, type BindingEventHandler, HandlerEvent } from "../handler/event.ts";
import { outcomeOf as handle, type Outcome as HandlerOutcome } from "../handler/outcome.ts";
import { codesOf } from "../policy/matching.ts";
import type { App, Delivery, Outcome } from "../runtime/app.ts";
import { SubscriptionCheck } from "./subscription-check.ts";
import { whyUnlisted } from "./unlisted.ts";

/** An app in the same process: a handler for each input it wants, or one for all of them. */
export type FunctionAppHandlers =
  | { readonly bindings: Readonly<Record<string, BindingEventHandler>> }
  | { readonly onBindingEvent: BindingEventHandler };

/** An app that is a function. It is always available. The logger is told of handlers for what is no input. */
export function createFunctionApp(handlers: FunctionAppHandlers, logger?: Logger): App {
  const subscriptions = logger && new SubscriptionCheck(logger);
  subscriptions?.subscribed(handlers, "bindings" in handlers ? Object.keys(handlers.bindings) : []);
  return {
    available: true,
    unavailableReason: "",
    onAvailability: () => () => {},
    wants: async ({ name }) => handlerOf(handlers, name) !== undefined,
    whyUnwanted: ({ name }) =>
      whyUnlisted(name, "bindings" in handlers ? Object.keys(handlers.bindings) : []),
    deliver: (delivery, signal) => deliver(handlerOf(handlers, delivery.name), delivery, signal),
    componentsChanged: (components) => subscriptions?.componentsChanged(components),
    close: async () => {},
  };
}

async function deliver(
  handler: BindingEventHandler | undefined,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<Outcome> {
  if (handler === undefined) {
    return { kind: "refused", reason: `the app has no handler for binding ${delivery.name}` };
  }
  if (signal.aborted) return { kind: "unsent", reason: "cancelled before it was sent" };
  return new Promise((resolve) => {
    const abort = (): void => resolve({ kind: "refused", reason: "cancelled" });
    signal.addEventListener("abort", abort, { once: true });
    const conclude = (outcome: HandlerOutcome): void => {
      signal.removeEventListener("abort", abort);
      resolve(outcomeOf(outcome));
    };
    void handle(handler, eventOf(delivery, signal), conclude);
  });
}

/** The same event and the same answers as in an app beside the runtime. */
function eventOf(delivery: Delivery, signal: AbortSignal): BindingEvent {
  const { key, id = "", ...parts } = delivery;
  return new HandlerEvent({
    ...parts,
    key: typeof key === "string" ? Buffer.from(key) : key,
    id,
    signal,
  });
}

function outcomeOf(outcome: HandlerOutcome): Outcome {
  switch (outcome.kind) {
    case "handled": {
      if (outcome.reply === undefined) return { kind: "handled", reply: undefined };
      const { parallel, contentType, ...reply } = outcome.reply;
      const concurrency = parallel ? "parallel" : "sequential";
      return {
        kind: "handled",
        reply: {
          ...reply,
          contentType: contentType || undefined,
          concurrency,
          source: "function",
        },
      };
    }
    case "drop":
      return { kind: "dropped", reason: outcome.reason };
    case "deadLetter":
      return { kind: "refused", reason: outcome.reason, final: true };
    case "retry": {
      const { reason, after = 0, error } = outcome;
      if (error instanceof BindingError) return { kind: "refused", reason, codes: codesOf(error) };
      return { kind: "refused", reason, after: after > 0 ? after : undefined };
    }
  }
}

function handlerOf(handlers: FunctionAppHandlers, name: string): BindingEventHandler | undefined {
  if ("onBindingEvent" in handlers) return handlers.onBindingEvent;
  return Object.hasOwn(handlers.bindings, name) ? handlers.bindings[name] : undefined;
}
