import type { Answer } from "../binding.ts";
import type { Invocation } from "../runtime/outputs/invocation.ts";
import { idempotencyKey } from "../runtime/outputs/idempotency.ts";
import type { InvocationMessage } from "./api.ts";
import { invocationMessage, readInvocation } from "./invocations.ts";
import type { Placement } from "./placement.ts";

type Send = (
  worker: number,
  call: InvocationMessage,
  signal: AbortSignal,
) => Promise<Answer | undefined>;

/** Which worker makes a call, as one of them sees it. */
export class Routes {
  readonly #worker: number;
  readonly #workers: number;
  readonly #send: Send;
  /** Calls that came from another worker go no further. */
  readonly #arrived = new WeakSet<object>();
  #placements: ReadonlyMap<string, Placement> = new Map();
  #someAreAlone = false;

  constructor(worker: number, workers: number, send: Send) {
    this.#worker = worker;
    this.#workers = workers;
    this.#send = send;
  }

  take(placements: ReadonlyMap<string, Placement>): void {
    this.#placements = placements;
    this.#someAreAlone = [...placements.values()].some(({ isAlone }) => isAlone);
  }

  /** Whether the component's events are read in this worker. */
  reads(component: string): boolean {
    const place = this.#placements.get(component);
    return place?.spreads === true || place?.owner === this.#worker;
  }

  /** How many of so many events of the component this worker may have: those of all workers add up to them. */
  share(component: string, events: number): number {
    if (this.#placements.get(component)?.spreads !== true) return events;
    const rest = this.#worker < events % this.#workers ? 1 : 0;
    return Math.floor(events / this.#workers) + rest;
  }

  isElsewhere(call: Pick<Invocation, "name" | "metadata">): boolean {
    if (!this.#someAreAlone && call.metadata[idempotencyKey] === undefined) return false;
    return !this.#arrived.has(call) && this.#targetOf(call) !== this.#worker;
  }

  invoke(call: Invocation): Promise<Answer | undefined> {
    return this.#send(this.#targetOf(call), invocationMessage(call), call.signal);
  }

  /** A call of another worker. */
  arrived(message: InvocationMessage, signal: AbortSignal): Invocation {
    const call = readInvocation(message, signal);
    this.#arrived.add(call);
    return call;
  }

  #targetOf({ name, metadata }: Pick<Invocation, "name" | "metadata">): number {
    const place = this.#placements.get(name);
    if (place?.isAlone === true) return place.owner;
    const key = metadata[idempotencyKey];
    // One worker knows all calls with a key, those that run among them.
    return key === undefined ? this.#worker : hashOf(`${name}\n${key}`) % this.#workers;
  }
}

/** FNV-1a, of 32 bits. */
function hashOf(text: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let at = 0; at < text.length; at++)
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01_00_01_93);
  return hash >>> 0;
}
