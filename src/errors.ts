/**
 * Why an operation failed: the closed list that `rpc/` and `server/` map to gRPC codes and HTTP
 * statuses. The words are gRPC's, so that a reader knows what each one asks the caller to do.
 */
export type Reason =
  | "invalid_argument"
  | "unauthenticated"
  | "permission_denied"
  | "not_found"
  | "already_exists"
  | "failed_precondition"
  | "out_of_range"
  | "resource_exhausted"
  | "aborted"
  | "cancelled"
  | "deadline_exceeded"
  | "unavailable"
  | "unimplemented"
  | "data_loss"
  | "internal";

/** gRPC's status codes by our reasons. */
export const grpcCodes: Readonly<Record<Reason, number>> = {
  cancelled: 1,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  out_of_range: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
  unauthenticated: 16,
};

/**
 * What is known of a failed operation's effect on the other system.
 *
 * - `unsent`: nothing reached it; repeating is safe.
 * - `ambiguous`: it may or may not have happened (a time-out, a connection that broke).
 * - `rejected`: the system, or our own check, said no; repeating the same request is no help.
 */
export type Effect = "unsent" | "ambiguous" | "rejected";

export type BindingErrorOptions = {
  /** Default `rejected`. */
  effect?: Effect;
  /** The other system's own code, as it spells it: `WRONGTYPE`, `404`, `NOT_LEADER`. */
  systemCode?: string | undefined;
  /** Milliseconds after which the system says that trying again makes sense. */
  retryAfter?: number | undefined;
  /** Response metadata that accompanies the failure (only `http` has some). */
  metadata?: Record<string, string>;
  cause?: unknown;
};

/**
 * The one error that Cufflink throws on purpose. Anything else that is thrown is a bug or an outage
 * and is turned into one of these by {@link BindingError.from} at the edge.
 *
 * The message is for a person: what could not be done, to which thing, what to do next. It never
 * quotes a secret.
 */
export class BindingError extends Error {
  override readonly name = "BindingError";
  readonly reason: Reason;
  readonly effect: Effect;
  readonly systemCode: string | undefined;
  readonly retryAfter: number | undefined;
  readonly metadata: Record<string, string> | undefined;

  constructor(reason: Reason, message: string, options: BindingErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.effect = options.effect ?? "rejected";
    this.systemCode = options.systemCode;
    this.retryAfter = options.retryAfter;
    this.metadata = options.metadata;
  }

  /** Turns anything thrown into a `BindingError`; one that is already stays as it is. */
  static from(
    thrown: unknown,
    reason: Reason = "internal",
    effect: Effect = "ambiguous",
  ): BindingError {
    if (thrown instanceof BindingError) return thrown;
    return new BindingError(reason, messageOf(thrown), { effect, cause: thrown });
  }
}

/** The text of anything thrown, for a log line or a wrapped message. Never empty. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === "") {
    return thrown.errors.map(messageOf).join("; ") || "AggregateError";
  }
  if (thrown instanceof Error) return tlsText(thrown) ?? (thrown.message || thrown.name);
  return String(thrown) || "unknown error";
}

/** What OpenSSL says, without its places in OpenSSL's source. A write that fails of it has its words in the message alone. */
function tlsText(error: Error): string | undefined {
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  const isOpenssl = typeof code === "string" && code.startsWith("ERR_SSL_");
  const said =
    isOpenssl && typeof reason === "string"
      ? reason
      : code === "EPROTO"
        ? /:SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1]
        : undefined;
  if (said === undefined) return undefined;
  return said === "wrong version number" ? `no TLS is spoken there (${said})` : `TLS: ${said}`;
}
