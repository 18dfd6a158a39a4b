import { connect } from "node:net";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import { BindingError } from "../../errors.ts";
import type { SmtpMetadata } from "./fields.ts";
import { gaveUp, failureOf, recipientsRefused, redactor, refusalText } from "./failures.ts";
import type { DriverError, Redact } from "./failures.ts";
import { Slots } from "../../slots.ts";

export type Connection = SMTPConnection;
export type ConnectionClass = typeof SMTPConnection;

/** Who a mail is from and goes to, as the server is told; it need not be what the headers say. */
export type Envelope = { readonly from: string; readonly to: readonly string[] };

/** In milliseconds, as in Dapr. */
const connectTimeout = 10_000;
/** Of one reply of the server, in bytes. */
const largestReply = 64 * 1024;
const partSize = 64 * 1024;

/** How far a mail has come. */
type Progress = { isBegun: boolean; refused: readonly DriverError[] };

/** Sends mails, each over a connection of its own, as Dapr does. Nothing is repeated. */
export class Courier implements AsyncDisposable {
  readonly #Connection: ConnectionClass;
  readonly #metadata: SmtpMetadata;
  readonly #slots: Slots;
  readonly #redact: Redact;
  readonly #closed = new AbortController();

  constructor(driver: ConnectionClass, metadata: SmtpMetadata) {
    this.#Connection = driver;
    this.#metadata = metadata;
    this.#slots = new Slots(metadata.maxConnections);
    this.#redact = redactor(metadata.user, metadata.password);
  }

  /** Resolves once the server has taken the mail, with whom it refused. Throws a `BindingError`. */
  async deliver(bytes: Buffer, envelope: Envelope, caller: AbortSignal): Promise<string[]> {
    const signal = AbortSignal.any([caller, this.#closed.signal]);
    try {
      await this.#slots.take(signal);
    } catch (reason) {
      throw gaveUp(reason, false);
    }
    const progress: Progress = { isBegun: false, refused: [] };
    try {
      const steps = (connection: Connection): Promise<void> =>
        this.#steps(connection, bytes, envelope, progress);
      await this.#converse(steps, signal);
      return progress.refused.map((error) => refusalText(error, this.#redact));
    } catch (error) {
      if (signal.aborted) throw gaveUp(signal.reason, progress.isBegun);
      if (error instanceof RecipientsRefused || commandOf(error) === "RCPT TO")
        throw recipientsRefused(progress.refused, this.#redact);
      throw failureOf(error, progress.isBegun, this.#redact);
    } finally {
      this.#slots.release();
    }
  }

  /** Connects, negotiates TLS and logs in, and leaves again. Throws a `BindingError`. */
  async examine(signal: AbortSignal): Promise<void> {
    try {
      await this.#converse(async (connection) => {
        await this.#greet(connection);
      }, signal);
    } catch (error) {
      if (signal.aborted) throw gaveUp(signal.reason, false);
      throw failureOf(error, false, this.#redact);
    }
  }

  async #converse(
    steps: (connection: Connection) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { host, port, requireTLS, skipTLSVerify, caCert } = this.#metadata;
    const socket = await connectTo(host, port, signal);
    const connection = new this.#Connection({
      connection: socket,
      host,
      port,
      secure: port === 465,
      requireTLS,
      name: "localhost",
      tls: { rejectUnauthorized: !skipTLSVerify, ...(caCert ? { ca: caCert } : {}) },
      maxResponseSize: largestReply,
      socketCloseTimeout: 1000,
    });
    const ended = Promise.withResolvers<never>();
    const abort = (): void => ended.reject(signal.reason);
    connection.on("error", ended.reject);
    // Later than what it ends with, which tells more.
    connection.on("end", () => setImmediate(ended.reject, new Error("the connection was closed")));
    signal.addEventListener("abort", abort, { once: true });
    try {
      await Promise.race([ended.promise, steps(connection)]);
      connection.quit();
    } finally {
      signal.removeEventListener("abort", abort);
      connection.close();
    }
  }

  /** Resolves to the server's extensions. */
  async #greet(connection: Connection): Promise<string> {
    await settled((done) => connection.connect(done));
    const extensions = String(connection.lastServerResponse);
    await this.#logIn(connection, extensions);
    return extensions;
  }

  async #steps(
    connection: Connection,
    bytes: Buffer,
    envelope: Envelope,
    progress: Progress,
  ): Promise<void> {
    const extensions = await this.#greet(connection);
    // Envelopes of ASCII need no extension.
    // oxlint-disable-next-line no-control-regex -- all of ASCII is meant
    const isPlain = [envelope.from, ...envelope.to].every((one) => /^[\0-\x7f]*$/.test(one));
    if (!isPlain && !/^\d{3}[ -]SMTPUTF8\b/im.test(extensions))
      throw new BindingError(
        "invalid_argument",
        "smtp binding error: the server takes no addresses with letters beyond ASCII (SMTPUTF8)",
      );
    const largest = Number(/^\d{3}[ -]SIZE[ =](\d+)/im.exec(extensions)?.[1] ?? 0);
    if (largest > 0 && bytes.length > largest)
      throw new BindingError(
        "resource_exhausted",
        `smtp binding error: the mail has ${bytes.length} bytes, and the server takes ${largest}`,
      );
    const { allowPartial } = this.#metadata;
    // The driver notes in it whom the server refused.
    const noted: Noted = { from: envelope.from, to: [...envelope.to], size: bytes.length };
    const body = Readable.from(partsOf(bytes, noted, progress, allowPartial));
    try {
      await settled((done) => connection.send(noted, body, done));
    } finally {
      progress.refused = noted.rejectedErrors ?? [];
    }
  }

  /** As Dapr: only where the server offers it, by CRAM-MD5 if it can, and by LOGIN if it can no PLAIN. */
  async #logIn(connection: Connection, extensions: string): Promise<void> {
    const { user, password, host } = this.#metadata;
    const offered = /^\d{3}[ -]AUTH[ =](.*)$/im.exec(extensions)?.[1]?.toUpperCase().split(/\s+/);
    if (!user || !password || offered === undefined) return;
    const isLogin = offered.includes("LOGIN") && !offered.includes("PLAIN");
    const method = offered.includes("CRAM-MD5") ? "CRAM-MD5" : isLogin ? "LOGIN" : "PLAIN";
    if (method === "PLAIN" && !connection.secure && !localHosts.has(host.toLowerCase()))
      throw new BindingError(
        "failed_precondition",
        "smtp binding error: the password is not sent, since the server offers no encryption (unencrypted connection)",
      );
    await settled((done) => connection.login({ user, pass: password, method }, done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new BindingError("cancelled", "the component was closed"));
  }
}

const localHosts = new Set(["localhost", "127.0.0.1", "::1"]);

type Noted = {
  from: string;
  to: string[];
  size: number;
  rejectedErrors?: DriverError[];
};

/** Not all recipients were taken, and the mail is to go to all or none. */
class RecipientsRefused extends Error {}

function commandOf(error: unknown): unknown {
  return error instanceof Error && "command" in error ? error.command : undefined;
}

/** The driver reads the first part once the server has answered for each recipient and asks for the mail. */
function* partsOf(
  bytes: Buffer,
  noted: Noted,
  progress: Progress,
  allowPartial: boolean,
): Generator<Buffer> {
  if (!allowPartial && (noted.rejectedErrors?.length ?? 0) > 0) throw new RecipientsRefused();
  progress.isBegun = true;
  for (let at = 0; at < bytes.length; at += partSize) yield bytes.subarray(at, at + partSize);
}

function settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()));
  });
}

/** By the system's own resolver, which knows its hosts file and search domains; the driver's does not ask them first. */
async function connectTo(host: string, port: number, caller: AbortSignal): Promise<Socket> {
  const late = AbortSignal.timeout(connectTimeout);
  const signal = AbortSignal.any([caller, late]);
  const socket = connect({ host, port });
  const done = Promise.withResolvers<void>();
  const abort = (): void =>
    done.reject(new Error(`no connection within ${connectTimeout / 1000}s`));
  socket.once("connect", done.resolve).once("error", done.reject);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    await done.promise;
    return socket;
  } catch (error) {
    socket.on("error", () => undefined).destroy();
    throw error;
  } finally {
    socket.off("error", done.reject);
    signal.removeEventListener("abort", abort);
  }
}
