import type { AppProtocol } from "./app-protocol.ts";

export type ProtocolCheckOptions = {
  /** `--app-protocol`. */
  readonly protocol: AppProtocol;
  readonly host: string;
  readonly port: number;
  /** Called after {@link ProtocolCheck.reason} has changed. */
  readonly changed: () => void;
};

const names: Readonly<Record<AppProtocol, string>> = {
  http: "HTTP/1.1",
  https: "HTTP/1.1 over TLS",
  grpc: "gRPC",
  grpcs: "gRPC over TLS",
  h2c: "HTTP/2 without TLS",
};

/** The pause between two looks while it is the wrong one; it doubles. Milliseconds. */
const pauses = { first: 500, longest: 10_000 };
/** The least time between a look that found nothing and the next, in milliseconds. */
const leastTime = 2_000;

/**
 * Whether the app speaks another protocol than the one that it is spoken to by. Looked at when something seems
 * wrong, and as long as it is, again and again: an app may be mended.
 */
export class ProtocolCheck {
  readonly #options: ProtocolCheckOptions;
  #reason = "";
  #isLooking = false;
  #closed = false;
  #pause = pauses.first;
  #notBefore = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProtocolCheckOptions) {
    this.#options = options;
  }

  /** What is wrong, with the remedy; empty while nothing is known to be. */
  get reason(): string {
    return this.#reason;
  }

  /** The app was reached, and something about its answer, or the lack of one, looks like another protocol's. */
  suspect(): void {
    if (this.#isLooking || this.#closed || this.#timer !== undefined) return;
    const wait = this.#notBefore - performance.now();
    if (wait <= 0) void this.#look();
    else this.#timer = setTimeout(() => void this.#look(), wait).unref();
  }

  /** The app may be another one now: what was wrong is looked at again at once. */
  recheck(): void {
    if (this.#reason === "" || this.#isLooking || this.#closed) return;
    clearTimeout(this.#timer);
    void this.#look();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    this.#timer = undefined;
    this.#isLooking = true;
    const { protocol, host, port, changed } = this.#options;
    const { spokenProtocols } = await import("./spoken-protocols.ts");
    const { spoken, possible } = await spokenProtocols({ host, port });
    this.#isLooking = false;
    if (this.#closed) return;
    const [other] = [...spoken, ...possible].includes(protocol) ? [] : spoken;
    const before = this.#reason;
    if (other === undefined) {
      this.#reason = "";
      this.#pause = pauses.first;
      this.#notBefore = performance.now() + leastTime;
    } else {
      this.#reason = `the app speaks ${names[other]}, and --app-protocol is ${protocol}; say --app-protocol ${other}`;
      this.#timer = setTimeout(() => void this.#look(), this.#pause).unref();
      this.#pause = Math.min(this.#pause * 2, pauses.longest);
    }
    if (this.#reason !== before) changed();
  }
}
