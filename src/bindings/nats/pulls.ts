import { BindingError } from "../../errors.ts";
import { apiPrefix } from "../../nats-client/jetstream.ts";
import type { Msg } from "@nats-io/transport-node";
import type { ConsumerInfo } from "./consumer.ts";
import type { Link } from "./link.ts";

export type PullsOptions = {
  readonly link: Link;
  readonly info: ConsumerInfo;
  readonly received: (message: Msg) => void;
  /** Some that were asked for do not come. */
  readonly ended: () => void;
  /** Nothing more comes. */
  readonly failed: (reason: BindingError) => void;
};

const nanoseconds = 1_000_000;
/** How long the server keeps a request, in milliseconds. A connection that nobody noticed to be gone has it so long. */
export const requestLife = 10_000;
/** The server's answer that a request is over comes so late at most. */
const grace = 5_000;
/** The pause after a refusal that may pass, in milliseconds. */
const refusalPause = 500;
const mostBatch = 1_000;
/** At least so many bytes are asked for. One message always fits. */
const leastBytes = 8 * 1024 * 1024;

/** Asks a consumer for messages, and keeps account of how many are still to come. */
export class Pulls {
  readonly #options: PullsOptions;
  readonly #inbox: string;
  readonly #next: string;
  readonly #subscription: { drain(): Promise<void> };
  readonly #mostBatch: number;
  readonly #life: number;
  readonly #bytes: number;
  #count = 0;
  #outstanding = 0;
  #expiry: NodeJS.Timeout | undefined;
  #pause: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: PullsOptions) {
    this.#options = options;
    const { link, info } = options;
    const { stream, consumer, inboxPrefix } = link.metadata;
    this.#next = `${apiPrefix(link.metadata)}.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#inbox = link.driver.createInbox(inboxPrefix);
    const { max_batch, max_expires, max_bytes } = info.config;
    this.#mostBatch = Math.min(mostBatch, max_batch || mostBatch);
    this.#life = Math.min(requestLife, max_expires ? max_expires / nanoseconds : requestLife);
    const wanted = Math.max(leastBytes, 2 * link.largestMessage + 65_536);
    this.#bytes = Math.min(wanted, max_bytes || wanted);
    this.#subscription = link.subscribe(
      `${this.#inbox}.*`,
      (message) => this.#take(message),
      (error) => {
        const text = `messages cannot be received: ${error.message}`;
        options.failed(new BindingError("permission_denied", text));
      },
    );
  }

  /** How many messages may still come. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Asks for so many more at most. */
  ask(count: number, life = this.#life): void {
    const batch = Math.min(count, this.#mostBatch);
    if (this.#isStopped || batch <= 0 || this.#pause !== undefined) return;
    this.#outstanding += batch;
    const request = { batch, expires: Math.round(life * nanoseconds), max_bytes: this.#bytes };
    const { link, failed } = this.#options;
    try {
      link.publish(this.#next, JSON.stringify(request), `${this.#inbox}.${++this.#count}`);
    } catch (error) {
      failed(BindingError.from(error, "unavailable"));
    }
    clearTimeout(this.#expiry);
    // The server says when a request is over, unless it was restarted meanwhile.
    this.#expiry = setTimeout(() => this.#over(this.#outstanding), life + grace);
  }

  /** Asks for nothing more; resolves once all has come that was under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#expiry);
    clearTimeout(this.#pause);
    await this.#subscription.drain().catch(() => {});
  }

  #take(message: Msg): void {
    // What answers a request has the request's own subject, a message of the stream that of the message.
    if (!message.subject.startsWith(this.#inbox)) {
      this.#outstanding = Math.max(0, this.#outstanding - 1);
      this.#options.received(message);
      return;
    }
    const { headers } = message;
    const code = headers?.code ?? 0;
    const text = headers?.description ?? "";
    if (code === 100) return;
    const left = Number(headers?.get("Nats-Pending-Messages") || this.#outstanding);
    if (code === 503)
      return this.#fail("unavailable", "the server has no such consumer, or no JetStream", code);
    if (code === 400 || /push based/i.test(text))
      return this.#fail("failed_precondition", text, code);
    if (/consumer deleted/i.test(text))
      return this.#fail("not_found", "the consumer was deleted", code);
    if (code === 409 && !/batch completed/i.test(text)) this.#rest();
    this.#over(left);
  }

  #fail(
    reason: "unavailable" | "failed_precondition" | "not_found",
    text: string,
    code: number,
  ): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#expiry);
    this.#options.failed(new BindingError(reason, text, { systemCode: String(code) }));
  }

  #over(count: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - count);
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
