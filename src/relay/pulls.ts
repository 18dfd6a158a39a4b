import type { Msg } from "@nats-io/transport-node";
import { apiPrefix } from "../nats-client/jetstream.ts";
import type { RelayLink } from "./link.ts";
import { group, type RelayNames } from "./stream.ts";

export type PullsOptions = {
  readonly link: RelayLink;
  readonly names: RelayNames;
  readonly partition: number;
  readonly received: (message: Msg) => void;
  /** Some that were asked for do not come. */
  readonly ended: () => void;
  /** Another replica is the pinned one. */
  readonly unpinned: () => void;
  /** A message that came after the end. */
  readonly late: (message: Msg) => void;
  /** The consumer, or the stream, is not there. */
  readonly gone: (reason: string) => void;
};

const nanoseconds = 1_000_000;
/** How long the server keeps a request, and how often it says that it has it, in milliseconds. */
const life = 10_000;
const heartbeat = 2_000;
/** Without a word for so long the request is lost: its server was restarted, or leads no more. */
const silence = 3 * heartbeat;
const refusalPause = 250;
/** At least so many bytes are asked for. One message always fits. */
const leastBytes = 4 * 1024 * 1024;

/** Asks the consumer of a partition for messages, and keeps account of how many may still come. */
export class Pulls {
  readonly #options: PullsOptions;
  readonly #inbox: string;
  readonly #subscription: { drain(): Promise<void> };
  #pin: string | undefined;
  #count = 0;
  #outstanding = 0;
  #heard = performance.now();
  #pause: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: PullsOptions) {
    this.#options = options;
    const { link } = options;
    this.#inbox = link.driver.createInbox(link.metadata.inboxPrefix);
    this.#subscription = link.subscribe(
      `${this.#inbox}.*`,
      (message) => this.#take(message),
      (error) => options.gone(`messages cannot be received: ${error.message}`),
    );
  }

  /** How many messages may still come. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Asks as the pinned one from now on. */
  pinned(pin: string): void {
    this.#pin = pin;
  }

  /** Asks for so many more at most. */
  ask(count: number): void {
    if (this.#isStopped || count <= 0 || this.#pause !== undefined) return;
    this.#outstanding += count;
    this.#heard = performance.now();
    const bytes = Math.max(leastBytes, 2 * this.#options.link.largestMessage + 65_536);
    this.#send(`${this.#inbox}.${++this.#count}`, {
      ...{ batch: count, expires: life * nanoseconds, max_bytes: bytes },
      idle_heartbeat: heartbeat * nanoseconds,
    });
  }

  /** Stays the pinned one; asks for a message that no message fits. */
  stay(milliseconds: number): void {
    this.#send(`${this.#inbox}.stay`, {
      ...{ batch: 1, max_bytes: 1, expires: Math.round(milliseconds * nanoseconds) },
    });
  }

  /** To be called now and then: an unanswered request is made again. */
  look(): void {
    if (this.#outstanding > 0 && performance.now() - this.#heard > silence)
      this.#over(this.#outstanding);
  }

  /** Asks for nothing more. What is under way comes late. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#pause);
    void this.#subscription.drain().catch(() => {});
  }

  #send(reply: string, request: object): void {
    const { link, names, partition } = this.#options;
    if (link.ended !== undefined) return;
    const subject = `${apiPrefix(link.metadata)}.CONSUMER.MSG.NEXT.${names.stream}.${names.consumer(partition)}`;
    const pin = this.#pin === undefined ? {} : { id: this.#pin };
    try {
      link.publish(subject, JSON.stringify({ ...request, group, ...pin }), reply);
    } catch {
      // The connection is gone, which its owner is told.
    }
  }

  #take(message: Msg): void {
    if (this.#isStopped) {
      if (!message.subject.startsWith(this.#inbox)) this.#options.late(message);
      return;
    }
    this.#heard = performance.now();
    // What answers a request has the request's own subject, a message of the stream that of the message.
    if (!message.subject.startsWith(this.#inbox)) {
      this.#outstanding = Math.max(0, this.#outstanding - 1);
      this.#options.received(message);
      return;
    }
    const code = message.headers?.code ?? 0;
    const text = message.headers?.description ?? "";
    if (code === 100) return;
    if (code === 423) return this.#options.unpinned();
    if (message.subject === `${this.#inbox}.stay`) return;
    if (code === 503 || /consumer deleted/i.test(text)) {
      this.#outstanding = 0;
      return this.#options.gone(text || "nobody answers for it");
    }
    if (code === 409 && !/batch completed|maxbytes/i.test(text)) this.#rest();
    this.#over(Number(message.headers?.get("Nats-Pending-Messages") || this.#outstanding));
  }

  #over(count: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - count);
    this.#heard = performance.now();
    if (!this.#isStopped) this.#options.ended();
  }

  /** A limit of the server that others use up, or a change of its leader. */
  #rest(): void {
    if (this.#pause !== undefined || this.#isStopped) return;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#options.ended();
    }, refusalPause);
  }
}
