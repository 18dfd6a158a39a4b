import { BindingError } from "../errors.ts";
import { bytesOf, textOf } from "../handler/outcome.ts";

/** What an invocation may say beside the component and the operation. */
export type InvokeOptions = {
  /** Bytes as they are, or a text. */
  readonly data?: Uint8Array | string | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * Milliseconds for all of it, waiting for the runtime to be there included: more than 0. Default 30,000; Infinity: no
   * limit.
   */
  readonly timeout?: number;
  /** Cancels the invocation when aborted. */
  readonly signal?: AbortSignal | undefined;
};

/** The answer of an output binding. */
export type InvokeAnswer = {
  /** Empty when the operation returns none. */
  readonly data: Uint8Array;
  /** What the binding tells about the answer. */
  readonly metadata: Readonly<Record<string, string>>;
};

const defaultTimeout = 30_000;
/** The longest delay that `setTimeout` takes; a longer one would fire at once. */
const longestTimer = 2 ** 31 - 1;

/** One invocation from its call to its end, over whichever way and however many tries of sending it. */
export class Invocation {
  readonly name: string;
  readonly operation: string;
  readonly data: Uint8Array | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
  readonly answer: Promise<InvokeAnswer>;
  /** A byte of it may have reached the runtime. */
  sent = false;
  /** Why it was not sent yet, for the message when its time is over. */
  waitsFor = "";
  readonly #timeout: number;
  readonly #deadline: number;
  readonly #timer: NodeJS.Timeout;
  #resolve: ((answer: InvokeAnswer) => void) | undefined;
  #reject: ((error: BindingError) => void) | undefined;
  #onOver: (() => void) | undefined;

  /** Throws a `TypeError` for what the wire cannot carry. */
  constructor(name: string, operation: string, options: InvokeOptions) {
    const { data, metadata = {}, timeout = defaultTimeout, signal } = options;
    this.name = textOf(name, "the component's name");
    this.operation = textOf(operation, "the operation");
    this.data = data === undefined ? undefined : bytesOf(data, "data");
    this.metadata = Object.fromEntries(
      Object.entries(metadata).map(([key, value]) => [key.toWellFormed(), textOf(value, key)]),
    );
    // No call can end in no time, and some libraries mean "for ever" by it.
    if (!(timeout > 0)) {
      const otherwise = `leave it out for ${defaultTimeout} ms, or say Infinity for no limit`;
      throw new TypeError(`timeout must be more than 0 ms, not ${String(timeout)}; ${otherwise}`);
    }
    this.signal = signal;
    this.#timeout = timeout;
    this.#deadline = performance.now() + timeout;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(() => this.#expire(), Math.min(timeout, longestTimer));
    signal?.addEventListener("abort", this.#cancel, { once: true });
    if (signal?.aborted) this.#cancel();
  }

  /** It has its answer, or failed. */
  get over(): boolean {
    return this.#resolve === undefined;
  }

  /** Milliseconds that are left of its time. */
  get remaining(): number {
    return Math.max(this.#deadline - performance.now(), 1);
  }

  /** Called when it ends, by whatever cause. The last listener counts: it is in one place at one time. */
  set onOver(listener: (() => void) | undefined) {
    this.#onOver = listener;
  }

  succeed(answer: InvokeAnswer): void {
    const resolve = this.#resolve;
    this.#end();
    resolve?.(answer);
  }

  fail(error: BindingError): void {
    const reject = this.#reject;
    this.#end();
    reject?.(error);
  }

  readonly #cancel = (): void => {
    const effect = this.sent ? "ambiguous" : "unsent";
    this.fail(
      new BindingError("cancelled", `${this.#what} was cancelled`, {
        effect,
        cause: this.signal?.reason,
      }),
    );
  };

  #expire(): void {
    const within = `within ${this.#timeout} ms`;
    this.fail(
      this.sent
        ? new BindingError("deadline_exceeded", `${this.#what} was not answered ${within}`, {
            effect: "ambiguous",
          })
        : new BindingError(
            "unavailable",
            `${this.#what} could not be sent ${within}: ${this.waitsFor || "the connection is busy"}`,
            { effect: "unsent" },
          ),
    );
  }

  get #what(): string {
    return `the invocation of ${this.name} (${this.operation})`;
  }

  #end(): void {
    if (this.over) return;
    this.#resolve = undefined;
    this.#reject = undefined;
    clearTimeout(this.#timer);
    this.signal?.removeEventListener("abort", this.#cancel);
    this.#onOver?.();
    this.#onOver = undefined;
  }
}
