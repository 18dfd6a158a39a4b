import { Readable } from "node:stream";
import { BindingError } from "../../errors.ts";
import { Call } from "../../grpc/client-call.ts";
import type { CallOptions, Carrier, Unanswered } from "../../grpc/client-call.ts";
import { ClientConnection } from "../../grpc/client-connection.ts";
import type { ClientTls } from "../../grpc/client-socket.ts";
import { Code } from "../../grpc/status.ts";
import type { Request } from "../../http-client/client.ts";
import { toFlatList } from "../../http-client/headers.ts";
import { proxyFor, readProxyRules } from "../../proxy/rules.ts";
import type { Streamed } from "../../http-client/streamed.ts";
import type { Http2ClientConnection } from "../../http2/client-connection.ts";
import type { Http2Stream } from "../../http2/stream.ts";

/** Bytes that may wait for the reader before the server has to wait. */
const readAhead = 64 * 1024;
/** Milliseconds. A ping that is not answered as long ends the connection. */
const pingInterval = 20_000;

/**
 * Sends one request over an HTTP/2 connection of its own, and resolves once the head of its answer is there. What is not read
 * waits at the server. The connection ends with the body. Rejects with a `BindingError` where there is no answer.
 */
export async function exchangeOverHttp2(
  { method, address, headers, body }: Pick<Request, "method" | "address" | "headers" | "body">,
  tls: Pick<ClientTls, "ca"> | undefined,
  signal: AbortSignal,
): Promise<Streamed> {
  const { protocol, host, port } = new URL(address.origin);
  const isSecure = protocol === "https:";
  const connection = new ClientConnection({
    host: address.hostname.replaceAll(/[[\]]/g, ""),
    port: Number(port) || (isSecure ? 443 : 80),
    tls: isSecure ? { verify: true, ca: tls?.ca } : undefined,
    proxy: isSecure ? proxyFor(address.origin, readProxyRules(process.env)) : undefined,
    ...{ lazy: true, retryRefused: false, pingInterval },
  });
  const fields = [
    ...[":method", method, ":scheme", connection.scheme, ":authority", host],
    ...[":path", address.path],
    ...toFlatList(headers).map((text, at) => (at % 2 === 0 ? text.toLowerCase() : text)),
  ];
  const call = new StreamedCall(connection, fields, { signal, waitForConnection: true }, body);
  call.body.once("close", () => void connection.close());
  connection.carry(call);
  return call.answer;
}

class StreamedCall extends Call {
  readonly body: Readable;
  readonly #answer = Promise.withResolvers<Streamed>();
  readonly #request: Uint8Array;

  constructor(
    carrier: Carrier,
    fields: readonly string[],
    options: CallOptions,
    request: Request["body"],
  ) {
    super(carrier, fields, options);
    this.#request = request instanceof Uint8Array ? request : new Uint8Array();
    this.body = new Readable({
      highWaterMark: readAhead,
      read: () => this.stream?.resume(),
      destroy: (error, done) => {
        this.abort("the reader has left", Code.cancelled);
        done(error);
      },
    });
    // Whoever reads it is told; without a reader nobody needs to be.
    this.body.on("error", () => undefined);
  }

  get answer(): Promise<Streamed> {
    return this.#answer.promise;
  }

  get repeatable(): boolean {
    return true;
  }

  protected send(connection: Http2ClientConnection, fields: readonly string[]): Http2Stream {
    return connection.request(fields, this.#request, this);
  }

  protected begun(): void {
    const { head, body } = this;
    if (head === undefined) return;
    this.#answer.resolve({
      ...{ status: Number(head.get(":status")), phrase: undefined, body },
      headers: Object.fromEntries(
        Object.entries(head.record).map(([name, value]) => [name, String(value)]),
      ),
      discard: () => void body.destroy(),
    });
  }

  data(chunk: Buffer): void {
    if (!this.body.push(Buffer.from(chunk))) this.stream?.pause();
  }

  protected answered(): void {
    this.body.push(null);
  }

  protected unanswered({ kind, code, reason }: Unanswered): void {
    const why = code === Code.cancelled ? "cancelled" : "unavailable";
    const effect = kind === "unsent" ? "unsent" : "ambiguous";
    const error = new BindingError(why, reason, { effect });
    this.#answer.reject(error);
    this.body.destroy(error);
  }
}
