import { HandledMessages } from "../../handled-messages.ts";
import { TurnoverMap } from "../../memory/turnover-map.ts";
import type { RocketmqClient } from "./client.ts";
import type { Resource } from "./requests.ts";

/** A message that was received and is not done with. */
export type Held = {
  readonly id: string;
  readonly topic: Resource;
  /** The proxy that it came from. */
  readonly client: RocketmqClient;
  /** Of its latest delivery or renewal. */
  receipt: string;
  /** A change of its time that is under way: the receipt is another one then. */
  changing: Promise<void> | undefined;
  /**
   * It may come again although it is acknowledged: it is not known which receipt counts, or an earlier one of its queue is
   * not handled, from which on an orderly group is given all again.
   */
  isUncertain: boolean;
};

/** More than are out at one time. */
const mostHandled = 4_096;

/**
 * What a component's readers have, and what was handled and is not known to be acknowledged, by the messages' ids. The
 * latter outlives the connection: such a message that comes again is acknowledged again, and not handled again.
 */
export class HeldMessages {
  readonly held = new TurnoverMap<string, Held>();
  readonly #handled: HandledMessages;

  private constructor(identity: string) {
    this.#handled = HandledMessages.of(`rocketmq ${identity}`, mostHandled);
  }

  /** Those of a group, in this process; what an earlier reader held is the broker's again. */
  static of(identity: string): HeldMessages {
    const known = byIdentity.get(identity) ?? new HeldMessages(identity);
    byIdentity.set(identity, known);
    known.held.clear();
    return known;
  }

  isHandled(id: string): boolean {
    return this.#handled.has(id);
  }

  handled(id: string): void {
    this.#handled.add(id);
  }

  /** The broker will not give it out again. */
  acknowledged({ id, isUncertain }: Held): void {
    if (!isUncertain) this.#handled.delete(id);
  }
}

const byIdentity = new Map<string, HeldMessages>();
