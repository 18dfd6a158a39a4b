import { abortFailure } from "../abortable.ts";
import { BindingError } from "../errors.ts";
import { IncomingMessage } from "../memory/incoming-message.ts";
import type {
  Condition,
  DispositionFrame,
  FlowFrame,
  RawReceiver,
  RawSession,
  TransferFrame,
} from "./driver.ts";
import { refusal } from "./failures.ts";
import type { PartialMessage, ReceivingLinkOptions } from "./receiving-options.ts";
import { dispositionsOf, type Outcome } from "./settlements.ts";

/** Milliseconds in which the server must have confirmed what it was told. */
const confirmTimeout = 10_000;

/**
 * A link that reads, in a session of its own, whose settlements the server confirms (the receiver settles second). The
 * driver attaches it; transfers, dispositions and credit are done here: its own dispositions merge neighbours of different
 * outcomes into the first's, and a message that it cannot decode ends its connection.
 */
export class ReceivingLink {
  readonly #options: ReceivingLinkOptions;
  readonly #session: RawSession;
  readonly #link: RawReceiver;
  readonly #incoming: IncomingMessage;
  readonly #held = new Set<number>();
  readonly #noted = new Map<number, Outcome>();
  /** Told to the server, which has not answered. */
  readonly #told = new Set<number>();
  readonly #answers = new Set<() => void>();
  readonly #forget: () => void;
  #partial: PartialMessage | undefined;
  #window = 0;
  #scheduled = false;
  #isWatched = false;
  #stopped = false;
  #isOpen = false;
  #ended: BindingError | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: ReceivingLinkOptions) {
    this.#options = options;
    this.#incoming = new IncomingMessage(options.memory);
    this.#session = options.connection.beginSession();
    this.#session.on_transfer = (frame) => this.#transfer(frame);
    this.#session.on_disposition = (frame) => this.#disposed(frame);
    this.#session.on("session_error", () => {});
    this.#session.on("session_close", () => this.#detached(this.#session.error));
    this.#link = this.#session.open_receiver({
      name: `cufflink-${crypto.randomUUID()}`,
      target: {},
      credit_window: 0,
      autoaccept: false,
      autosettle: false,
      snd_settle_mode: 0,
      rcv_settle_mode: 1,
      ...options.attach,
    });
    this.#forget = options.connection.onEnd((reason) => this.#end(reason));
  }

  /** Resolves once the server has attached the link. */
  static async open(options: ReceivingLinkOptions): Promise<ReceivingLink> {
    if (options.signal.aborted) throw abortFailure(options.what, options.signal.reason, "unsent");
    const link = new ReceivingLink(options);
    await link.#attached();
    return link;
  }

  get ended(): BindingError | undefined {
    return this.#ended;
  }

  /** The link itself: what the server said when it attached it. */
  get raw(): RawReceiver {
    return this.#link;
  }

  /** How many messages are here that were not settled. */
  get held(): number {
    return this.#held.size;
  }

  /** The most messages that may be here at one time. */
  window(messages: number): void {
    this.#window = messages;
    this.#grant(true);
  }

  /** Notes what becomes of a message; the server is told at the end of the turn. */
  settle(id: number, outcome: Outcome): void {
    if (this.#ended !== undefined || this.#closing !== undefined || !this.#held.has(id)) return;
    this.#noted.set(id, outcome);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#write();
    });
  }

  /** A message that the server had settled is not held any more. */
  release(id: number): void {
    this.#held.delete(id);
    this.#grant(false);
  }

  /**
   * Resolves once the server has confirmed all that was settled so far, or the link has ended, which gives back what it
   * has not.
   */
  async confirmed(): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    this.#write();
    const waited = new Set(this.#told);
    await this.#until(
      () => ![...waited].some((id) => this.#told.has(id)),
      "the server has not confirmed the settlements",
    );
  }

  /** Asks for no more. What comes all the same is given back. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#ended !== undefined || !this.#isOpen || this.#link.credit === 0) return;
    // Credit that was given is taken back only by having it used up.
    this.#drained = Promise.withResolvers<void>();
    this.#link.drain = true;
    this.#link.issue_flow = true;
    this.#options.connection.raw._register();
  }

  /** Resolves once no message is on its way any more. */
  async drained(): Promise<void> {
    const drained = this.#drained;
    if (drained === undefined) return;
    let done = false;
    void drained.promise.then(() => {
      done = true;
      this.#answered();
    });
    await this.#until(() => done, "the server has not answered the drain");
  }

  /** Ends the link and its session. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopped = true;
    if (this.#ended === undefined && !this.#isOpen) this.#session.close();
    else if (this.#ended === undefined) {
      this.#write();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#link.once("receiver_close", () => resolve());
      const forget = this.#options.connection.onEnd(() => resolve());
      const timer = setTimeout(resolve, confirmTimeout);
      this.#link.close();
      await promise;
      clearTimeout(timer);
      forget();
      if (this.#options.connection.ended === undefined) this.#session.close();
    }
    this.#finish(new BindingError("unavailable", "the link was closed", { effect: "unsent" }));
  }

  async #attached(): Promise<void> {
    const { what, signal, attachTimeout } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#link.on("receiver_open", () => {
      // A refused link is opened without a source, and closed with the reason right after.
      if (this.#link.source === null || this.#link.source === undefined) return;
      this.#isOpen = true;
      // Some open it with a source all the same.
      setImmediate(resolve);
    });
    this.#link.on_flow = ({ performative }) => this.#flow(performative);
    this.#link.on("receiver_error", () => this.#detached(this.#link.error));
    this.#link.on("receiver_close", () => this.#detached(this.#link.error));
    this.#refuse = reject;
    const timer = setTimeout(
      () =>
        reject(
          new BindingError("deadline_exceeded", `${what}: the server does not answer`, {
            effect: "unsent",
          }),
        ),
      attachTimeout,
    );
    const giveUp = (): void => reject(abortFailure(what, signal.reason, "unsent"));
    signal.addEventListener("abort", giveUp);
    if (this.#ended !== undefined) reject(this.#ended);
    try {
      await promise;
    } catch (error) {
      void this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      this.#refuse = undefined;
    }
  }

  #refuse: ((reason: BindingError) => void) | undefined;

  #detached(error: Condition | undefined): void {
    if (this.#closing !== undefined) return;
    const { what } = this.#options;
    this.#end(
      error?.condition === undefined
        ? new BindingError("unavailable", `${what}: the server closed the link`, {
            effect: "unsent",
          })
        : refusal(what, error),
    );
  }

  #flow({ drain, link_credit, delivery_count }: FlowFrame["performative"]): void {
    if (drain !== true || (link_credit ?? 0) > 0) return;
    this.#link.credit = 0;
    this.#link.delivery_count = delivery_count ?? this.#link.delivery_count;
    this.#drained?.resolve();
  }

  #transfer({ performative, payload }: TransferFrame): void {
    const link = this.#link;
    if (this.#ended !== undefined) return;
    link.session.incoming.next_transfer_id++;
    // The driver then renews the session's window.
    this.#options.connection.raw._register();
    const partial = (this.#partial ??= {
      id: performative.delivery_id ?? 0,
      tag: performative.delivery_tag ?? Buffer.alloc(0),
      format: performative.message_format ?? 0,
      settled: performative.settled === true,
      parts: [],
      bytes: 0,
    });
    if (performative.aborted !== true && payload !== undefined) {
      partial.parts.push(payload);
      partial.bytes += payload.length;
    }
    if (performative.more === true && performative.aborted !== true) {
      const tooMuch = this.#incoming.holds(partial.bytes);
      if (tooMuch !== undefined) this.#options.connection.fail(tooMuch);
      return;
    }
    this.#partial = undefined;
    this.#incoming.holds(0);
    link.delivery_count++;
    if (link.credit > 0) link.credit--;
    if (performative.aborted !== true) this.#take(partial);
    else this.#grant(false);
    if (link.credit === 0) this.#drained?.resolve();
  }

  #take({ id, tag, format, settled, parts }: PartialMessage): void {
    this.#held.add(id);
    if (this.#stopped) {
      if (settled) this.release(id);
      else this.settle(id, "released");
      return;
    }
    const [only] = parts;
    const message = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    this.#options.message({ id, tag, format, settled, message });
  }

  /** What the server says of what it was told. */
  #disposed({ performative: { role, first, last, settled, state } }: DispositionFrame): void {
    if (role || this.#ended !== undefined) return;
    for (let id = first; id <= (last ?? first); id++) {
      if (!this.#told.has(id)) continue;
      const error = state === undefined || state === null ? undefined : this.#errorOf(state);
      if (settled === true) {
        this.#told.delete(id);
        this.#held.delete(id);
      }
      if (error !== undefined) this.#options.refused(id, error);
    }
    this.#answered();
    this.#grant(false);
  }

  #errorOf(state: unknown): Condition | undefined {
    return this.#options.driver.rhea.message.unwrap_outcome(state).error;
  }

  /** Sends what is noted. */
  #write(): void {
    if (this.#ended !== undefined || this.#noted.size === 0) return;
    const { frames, rhea } = this.#options.driver;
    this.#options.connection.shareWrite();
    // A server may settle first all the same; then it confirms nothing.
    const isSecond = this.#link.remote.attach?.rcv_settle_mode === 1;
    for (const { first, last, outcome } of dispositionsOf(this.#noted)) {
      const state =
        outcome === "modified"
          ? rhea.message.modified({ delivery_failed: true })
          : rhea.message[outcome]();
      this.#session.output(
        frames.disposition({
          role: true,
          first,
          last,
          settled: !isSecond,
          state: state.described(),
        }),
      );
    }
    for (const id of this.#noted.keys()) {
      if (isSecond) this.#told.add(id);
      else this.#held.delete(id);
    }
    this.#noted.clear();
    if (this.#told.size > 0 && !this.#isWatched) void this.#watch();
    this.#grant(false);
  }

  /** A connection on which settlements are not confirmed in time has lost something on its way. */
  async #watch(): Promise<void> {
    this.#isWatched = true;
    try {
      while (this.#told.size > 0 && this.#ended === undefined) await this.confirmed();
    } catch {
      // The connection was ended, which its owner hears.
    } finally {
      this.#isWatched = false;
    }
  }

  /** Tells the server how many more messages it may send: the window less those that are here. */
  #grant(now: boolean): void {
    const link = this.#link;
    if (!this.#isOpen || this.#stopped || this.#ended !== undefined) return;
    if (this.#closing !== undefined) return;
    const wanted = Math.max(0, this.#window - this.#held.size);
    const more = wanted - link.credit;
    // Not for each message: a frame of its own would cost more than the message.
    if (more === 0 || (!now && more > 0 && more < this.#window / 4 && link.credit > 0)) return;
    link.credit = wanted;
    link.drain = false;
    link.issue_flow = true;
    this.#options.connection.raw._register();
  }

  #answered(): void {
    for (const check of this.#answers) check();
  }

  /** Waits for the server's answers, and no longer than the link lasts. */
  async #until(isDone: () => boolean, otherwise: string): Promise<void> {
    if (isDone()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = (): void => {
      if (this.#ended !== undefined) reject(this.#ended);
      else if (isDone()) resolve();
    };
    this.#answers.add(check);
    const timer = setTimeout(() => {
      reject(new BindingError("deadline_exceeded", otherwise, { effect: "ambiguous" }));
      this.#options.connection.fail(otherwise);
    }, confirmTimeout);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#answers.delete(check);
    }
  }

  #end(reason: BindingError): void {
    if (this.#ended !== undefined) return;
    this.#finish(reason);
    const refuse = this.#refuse;
    if (refuse !== undefined) refuse(reason);
    else if (this.#isOpen && this.#closing === undefined) this.#options.ended(reason);
  }

  #finish(reason: BindingError): void {
    this.#ended ??= reason;
    this.#forget();
    this.#held.clear();
    this.#noted.clear();
    this.#told.clear();
    this.#partial = undefined;
    this.#incoming.release();
    this.#answered();
  }
}
