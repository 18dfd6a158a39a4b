import { abortFailure } from "../abortable.ts";
import { BindingError } from "../errors.ts";
import type {
  Condition,
  DispositionFrame,
  RawReceiver,
  RawSession,
  TransferFrame,
} from "./driver.ts";
import { refusal } from "./failures.ts";
import type { Delivery, ReceivingLinkOptions } from "./receiving-options.ts";
import type { Outcome } from "./settlements.ts";
import { grantCredit, sendFlow, sendOutcomes, takeFlow, Transfers } from "./transfers.ts";

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
  readonly #transfers: Transfers;
  readonly #held = new Set<number>();
  readonly #noted = new Map<number, Outcome>();
  /** Told to the server, which has not answered. */
  readonly #told = new Set<number>();
  readonly #answers = new Set<() => void>();
  readonly #forget: () => void;
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
    this.#transfers = new Transfers(options.memory);
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
    sendFlow(this.#options.connection, this.#link);
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
    this.#link.on_flow = ({ performative }) => {
      if (takeFlow(this.#link, performative)) this.#drained?.resolve();
    };
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

  #transfer(frame: TransferFrame): void {
    const link = this.#link;
    if (this.#ended !== undefined) return;
    const delivery = this.#transfers.take(this.#options.connection, link, frame);
    if (delivery === undefined) return;
    if (delivery === "aborted") this.#grant(false);
    else this.#take(delivery);
    if (link.credit === 0) this.#drained?.resolve();
  }

  #take(delivery: Delivery): void {
    const { id, settled } = delivery;
    this.#held.add(id);
    if (!this.#stopped) this.#options.message(delivery);
    else if (settled) this.release(id);
    else this.settle(id, "released");
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
      else if (settled === true && state) this.#options.confirmed?.(id);
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
    const { driver, connection } = this.#options;
    // A server may settle first all the same; then it confirms nothing.
    const isSecond = this.#link.remote.attach?.rcv_settle_mode === 1;
    sendOutcomes(driver, connection, this.#link, this.#noted, !isSecond);
    for (const id of this.#noted.keys()) {
      if (isSecond) {
        this.#told.add(id);
        continue;
      }
      this.#held.delete(id);
      this.#options.confirmed?.(id);
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

  #grant(now: boolean): void {
    if (!this.#isOpen || this.#stopped || this.#ended !== undefined) return;
    if (this.#closing !== undefined) return;
    const shape = { window: this.#window, held: this.#held.size, now };
    grantCredit(this.#options.connection, this.#link, shape);
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
    this.#transfers.release();
    this.#answered();
  }
}
