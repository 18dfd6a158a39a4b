import { BindingError, messageOf } from "../errors.ts";
import { DeadLetter, Drop, Retry } from "../handler-errors.ts";
import { codesOf } from "../policy/matching.ts";
import type { App, Delivery, Outcome, Reply } from "../runtime/app.ts";
import { eventMetadata } from "./event-metadata.ts";

/** One event, as a function in the same process gets it. */
export type BindingEvent = {
  /** The component's name. */
  readonly name: string;
  readonly data: Uint8Array | undefined;
  /** What the binding tells and what the message's headers say, in one map, as a Dapr app gets it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The message's headers, whole. */
  readonly headers: Delivery["headers"];
  /** W3C trace context. */
  readonly trace: Delivery["trace"];
  /** 1 for the first. */
  readonly attempt: number;
  /** How many are allowed; `undefined`: without end. */
  readonly attempts: number | undefined;
  /** Why the attempt before was not handled. */
  readonly lastError: string | undefined;
  /** Aborted when the runtime stops waiting for the answer. */
  readonly signal: AbortSignal;
};

/** What a function may answer. Nothing at all means handled, without a reply. */
export type BindingReply = Omit<Reply, "source">;

/**
 * Handles one event. Returning means handled; throwing means not handled: {@link Retry}, {@link DeadLetter},
 * {@link Drop}, and anything else is a retry with its message as the reason.
 */
export type BindingEventHandler = (
  event: BindingEvent,
) => Promise<BindingReply | undefined | void> | BindingReply | undefined | void;

/** An app in the same process: a handler for each input it wants, or one for all of them. */
export type FunctionAppHandlers =
  | { readonly bindings: Readonly<Record<string, BindingEventHandler>> }
  | { readonly onBindingEvent: BindingEventHandler };

/** An app that is a function. It is always available. */
export function createFunctionApp(handlers: FunctionAppHandlers): App {
  return {
    available: true,
    unavailableReason: "",
    onAvailability: () => () => {},
    wants: async ({ name }) => handlerOf(handlers, name) !== undefined,
    deliver: (delivery, signal) => deliver(handlerOf(handlers, delivery.name), delivery, signal),
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
    void call(handler, delivery, signal)
      .then(resolve)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}

async function call(
  handler: BindingEventHandler,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<Outcome> {
  const { name, data, headers, trace, attempt, attempts, lastError } = delivery;
  const metadata = eventMetadata(delivery);
  const event = { name, data, metadata, headers, trace, attempt, attempts, lastError, signal };
  try {
    const answer = await handler(event);
    if (answer === undefined) return { kind: "handled", reply: undefined };
    return { kind: "handled", reply: { ...answer, source: "function" } };
  } catch (thrown) {
    return outcomeOfThrown(thrown);
  }
}

function outcomeOfThrown(thrown: unknown): Outcome {
  const reason = messageOf(thrown);
  if (thrown instanceof DeadLetter) return { kind: "refused", reason, final: true };
  if (thrown instanceof Drop) return { kind: "dropped", reason };
  if (thrown instanceof Retry) {
    const { after = 0 } = thrown;
    return { kind: "refused", reason, after: after > 0 ? after : undefined };
  }
  const codes = thrown instanceof BindingError ? codesOf(thrown) : undefined;
  return { kind: "refused", reason, codes };
}

function handlerOf(handlers: FunctionAppHandlers, name: string): BindingEventHandler | undefined {
  if ("onBindingEvent" in handlers) return handlers.onBindingEvent;
  return Object.hasOwn(handlers.bindings, name) ? handlers.bindings[name] : undefined;
}
