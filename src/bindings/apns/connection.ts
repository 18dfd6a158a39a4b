import { BindingError } from "../../errors.ts";
import type { Reason } from "../../errors.ts";
import { ClientConnection } from "../../grpc/client-connection.ts";
import { Code } from "../../grpc/status.ts";
import { parseAddress, serviceAddress } from "../../http-client/address.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { tlsProxyFor } from "../../proxy/rules.ts";
import { authoritiesOf } from "../../tls/pem.ts";
import type { ApnsMetadata } from "./fields.ts";

/** What Apple answered. */
export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
};

const production = "https://api.push.apple.com";
const sandbox = "https://api.sandbox.push.apple.com";
/** Of an answer, in bytes: it is a line of JSON, or empty. */
const largestAnswer = 64 * 1024;
/** Milliseconds. A ping that is not answered as long ends the connection, and the calls on it. */
const pingInterval = 30_000;

const reasons: ReadonlyMap<number, Reason> = new Map([
  [Code.cancelled, "cancelled"],
  [Code.deadlineExceeded, "deadline_exceeded"],
  [Code.resourceExhausted, "resource_exhausted"],
]);

/** The origin that the metadata say. Throws a `BindingError`. */
export function originOf({ apiUrl, development }: ApnsMetadata): string {
  const { origin, path } = serviceAddress(
    "apiUrl",
    apiUrl || (development ? sandbox : production),
    "",
  );
  if (path === "/") return origin;
  throw new BindingError("invalid_argument", "apiUrl must be https:// and a host, without a path");
}

/** One HTTP/2 connection to the service: made by the first call, kept, and made anew by the next one when it is lost. */
export class ApnsConnection implements AsyncDisposable {
  readonly #connection: ClientConnection;
  readonly #memory: MemoryShare;

  private constructor(connection: ClientConnection, memory: MemoryShare) {
    this.#connection = connection;
    this.#memory = memory;
  }

  /** Connects to nothing. Throws a `BindingError`. */
  static async open(metadata: ApnsMetadata, memory: MemoryShare): Promise<ApnsConnection> {
    const origin = originOf(metadata);
    const { hostname } = parseAddress(origin);
    const { port, protocol } = new URL(origin);
    const isSecure = protocol === "https:";
    const ca = await authoritiesOf(metadata.caCert);
    const host = hostname.replaceAll(/[[\]]/g, "");
    const number = Number(port) || (isSecure ? 443 : 80);
    const connection = new ClientConnection({
      ...{ host, port: number },
      tls: isSecure ? { verify: true, ca } : undefined,
      proxy: isSecure ? tlsProxyFor(host, number) : undefined,
      ...{ lazy: true, retryRefused: false, pingInterval },
    });
    return new ApnsConnection(connection, memory);
  }

  /** Posts a notification. Rejects with a `BindingError` when no answer came. */
  async post(
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Answer> {
    return this.#request("POST", path, headers, body, signal);
  }

  /** Resolves once the service has answered anything to a request without credentials. Rejects with a `BindingError`. */
  async reach(signal: AbortSignal): Promise<void> {
    await this.#request("GET", "/", {}, new Uint8Array(), signal);
  }

  async #request(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { scheme, authority } = this.#connection;
    const pseudo = { ":method": method, ":scheme": scheme, ":authority": authority, ":path": path };
    const fields = Object.entries({ ...pseudo, ...headers }).flat();
    const limits = { maxBytes: largestAnswer, memory: this.#memory.forAnswers };
    const options = { signal, waitForConnection: true };
    const answer = await this.#connection.request(fields, body, options, limits);
    if (answer.kind === "answered") {
      const { head, body } = answer;
      return { status: Number(head.get(":status")), headers: head.record, body };
    }
    const isLate = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
    const code = signal.aborted && isLate ? Code.deadlineExceeded : answer.code;
    const effect = answer.kind === "unsent" ? "unsent" : "ambiguous";
    const verb = method === "POST" ? "Post" : "Get";
    const shown = method === "POST" ? "/3/device/" : path;
    const text = `${verb} "${scheme}://${authority}${shown}": ${answer.reason}`;
    throw new BindingError(reasons.get(code) ?? "unavailable", text, { effect });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }
}
