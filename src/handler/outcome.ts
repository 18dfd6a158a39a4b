import { messageOf } from "../errors.ts";
import { DeadLetter, Drop, Retry } from "./errors.ts";
import type { BindingEvent, BindingEventHandler, BindingReply } from "./event.ts";

/** What became of an event in its handler. */
export type Outcome =
  | { readonly kind: "handled"; readonly reply: CheckedReply | undefined }
  | {
      readonly kind: "retry";
      readonly reason: string;
      readonly after: number | undefined;
      /** What was thrown; absent where nothing was. */
      readonly error?: unknown;
    }
  | { readonly kind: "deadLetter"; readonly reason: string }
  | { readonly kind: "drop"; readonly reason: string };

/** A reply of which every part is known to be what the wire takes. */
export type CheckedReply = {
  readonly data: Uint8Array<ArrayBuffer> | undefined;
  readonly contentType: string;
  readonly to: string[];
  readonly parallel: boolean;
  readonly storeName: string;
  readonly states: { key: string; value: Uint8Array<ArrayBuffer> }[];
};

/** A reason is for a log line and the next attempt: a text that quotes a whole payload is cut, in characters. */
const longestReason = 2000;

const handled: Outcome = { kind: "handled", reply: undefined };

/**
 * Calls a handler and tells what became of the event, exactly once. `undefined`: it is told already. Never
 * throws or rejects.
 */
export function outcomeOf(
  handler: BindingEventHandler | undefined,
  event: BindingEvent,
  tell: (outcome: Outcome) => void,
): Promise<void> | undefined {
  let answer: unknown;
  try {
    if (handler === undefined) throw new Error(`the app has no handler for binding ${event.name}`);
    answer = handler(event);
  } catch (thrown) {
    tell(outcomeOfThrown(thrown));
    return undefined;
  }
  if (isPromise(answer)) {
    return Promise.resolve(answer).then(
      (reply) => tell(outcomeOfAnswer(reply)),
      (thrown: unknown) => tell(outcomeOfThrown(thrown)),
    );
  }
  tell(outcomeOfAnswer(answer));
  return undefined;
}

/** An answer that is no reply at all is a mistake of the app, so a retry. */
function outcomeOfAnswer(answer: unknown): Outcome {
  if (answer === undefined || answer === null) return handled;
  try {
    return { kind: "handled", reply: checkedReply(answer) };
  } catch (error) {
    return { kind: "retry", reason: messageOf(error), after: undefined };
  }
}

function outcomeOfThrown(thrown: unknown): Outcome {
  const reason = messageOf(thrown).slice(0, longestReason).toWellFormed();
  if (thrown instanceof DeadLetter) return { kind: "deadLetter", reason };
  if (thrown instanceof Drop) return { kind: "drop", reason };
  const after = thrown instanceof Retry ? thrown.after : undefined;
  return {
    kind: "retry",
    reason,
    after: after !== undefined && after >= 0 ? after : undefined,
    error: thrown,
  };
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

function checkedReply(answer: unknown): CheckedReply {
  if (typeof answer !== "object" || answer === null || answer instanceof Uint8Array) {
    const what = answer instanceof Uint8Array ? "bytes" : `a ${typeof answer}`;
    throw new TypeError(`the handler answered ${what}; answer { data } for a reply, or nothing`);
  }
  const reply = answer as BindingReply;
  const { data, contentType = "", to = [], concurrency, storeName = "", states = [] } = reply;
  if (!Array.isArray(to)) throw new TypeError("the reply's `to` is not a list of names");
  if (!Array.isArray(states)) throw new TypeError("the reply's `states` is not a list");
  return {
    data: data === undefined ? undefined : bytesOf(data, "`data`"),
    contentType: textOf(contentType, "`contentType`"),
    to: to.map((name: unknown) => textOf(name, "an output in `to`")),
    parallel: concurrency === "parallel",
    storeName: textOf(storeName, "`storeName`"),
    states: states.map(({ key, value }) => ({
      key: textOf(key, "a key in `states`"),
      value: bytesOf(value, "a value in `states`"),
    })),
  };
}

/** Bytes as they are, and a text as UTF-8. Throws a `TypeError` for anything else. */
export function bytesOf(value: unknown, what: string): Uint8Array<ArrayBuffer> {
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof Uint8Array) return value as Uint8Array<ArrayBuffer>;
  throw new TypeError(`${what} is neither bytes nor a text; encode it first, for instance as JSON`);
}

/** A text that UTF-8 can say. Throws a `TypeError` for what is none. */
export function textOf(value: unknown, what: string): string {
  if (typeof value === "string") return value.toWellFormed();
  throw new TypeError(`${what} is no text but ${value === null ? "null" : `a ${typeof value}`}`);
}
