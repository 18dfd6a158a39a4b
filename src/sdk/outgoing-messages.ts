import { create, toBinary } from "@bufbuild/protobuf";
import {
  AppMessageSchema,
  SettlementSchema,
  type AppMessage,
  type Settlement,
} from "../../gen/cufflink/v1/event_streams_pb.ts";
import { durationOf } from "./duration.ts";
import { FlushScheduler } from "./flush-scheduler.ts";
import type { Outcome } from "../handler/outcome.ts";

/** A message is ended when the replies in it are larger than this, in bytes. */
const messageBytes = 256 * 1024;

/**
 * What the app has to say on one stream, packed: all that is added in one turn of the event loop goes out as
 * one message, and while the runtime reads slowly, all that is added until it reads again.
 */
export class OutgoingMessages {
  #handled: number[] = [];
  #others: Settlement[] = [];
  #credit = 0;
  /** The largest reply that the runtime takes. */
  maxReplyBytes = Infinity;
  #subscription: AppMessage["subscription"];
  /** When there is something to {@link take}. */
  readonly turn = new FlushScheduler();

  /** The first message: what the app wants, and how many events it takes. */
  subscribe(bindings: readonly string[], credit: number): void {
    this.#subscription = create(AppMessageSchema, {
      subscription: { bindings: [...bindings], orderedPipelining: true },
    }).subscription;
    this.credit(credit);
  }

  /** Lets the runtime send so many events more. */
  credit(events: number): void {
    this.#credit += events;
    this.turn.schedule();
  }

  settle(delivery: number, told: Outcome): void {
    const outcome = this.#takable(told);
    if (outcome.kind === "handled" && outcome.reply === undefined) this.#handled.push(delivery);
    else
      this.#others.push(create(SettlementSchema, { delivery, outcome: outcomeMessage(outcome) }));
    this.turn.schedule();
  }

  /** The runtime would end the stream over a reply that is too large, and with it the events of others. */
  #takable(outcome: Outcome): Outcome {
    if (outcome.kind !== "handled" || outcome.reply === undefined) return outcome;
    const { data, states } = outcome.reply;
    const bytes = states.reduce((sum, { value }) => sum + value.length, data?.length ?? 0);
    if (bytes <= this.maxReplyBytes) return outcome;
    const reason = `the reply of ${bytes} bytes is larger than the ${this.maxReplyBytes} that the runtime takes; see its --app-max-answer-size`;
    return { kind: "retry", reason, after: undefined };
  }

  notAttempted(delivery: number): void {
    const outcome = { case: "notAttempted" as const, value: {} };
    this.#others.push(create(SettlementSchema, { delivery, outcome }));
    this.turn.schedule();
  }

  /** The next message, once the turn in which its first part was added is over. */
  take(): Uint8Array | undefined {
    if (!this.turn.due) return undefined;
    const message = create(AppMessageSchema);
    if (this.#subscription !== undefined) message.subscription = this.#subscription;
    message.handled = this.#handled;
    message.settlements = this.#takeOthers();
    const all = this.#others.length === 0;
    // Credit goes with the last of what was settled before it: whoever uses it has heard of every failure.
    if (all) message.credit = this.#credit;
    if (all) this.#credit = 0;
    this.#subscription = undefined;
    this.#handled = [];
    this.turn.take(all);
    return toBinary(AppMessageSchema, message);
  }

  /** As many as one message should carry: replies may be large, and messages have a limit. */
  #takeOthers(): Settlement[] {
    const others = this.#others;
    let bytes = 0;
    let count = 0;
    for (; count < others.length && (count === 0 || bytes < messageBytes); count++) {
      const { outcome } = others[count] ?? {};
      if (outcome?.case !== "handled") continue;
      const { data, states } = outcome.value;
      bytes += data?.length ?? 0;
      for (const { value } of states) bytes += value.length;
    }
    this.#others = others.slice(count);
    return count === others.length ? others : others.slice(0, count);
  }
}

function outcomeMessage(outcome: Outcome) {
  switch (outcome.kind) {
    case "handled": {
      const { data, ...reply } = outcome.reply ?? {};
      const value = { ...reply, ...(data !== undefined && { data }) };
      return { case: "handled" as const, value };
    }
    case "retry": {
      const { reason, after } = outcome;
      const value = { reason, ...(after !== undefined && { after: durationOf(after) }) };
      return { case: "retry" as const, value };
    }
    case "deadLetter":
      return { case: "deadLetter" as const, value: { reason: outcome.reason } };
    case "drop":
      return { case: "drop" as const, value: { reason: outcome.reason } };
  }
}
