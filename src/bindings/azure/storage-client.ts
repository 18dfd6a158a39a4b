import { BindingError } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import type { Request } from "../../http-client/client.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { setKnownHeader, userAgent } from "../../http-client/headers.ts";
import type { RequestHeaders } from "../../http-client/headers.ts";
import { isSuccess } from "../../http-client/status.ts";
import type { Streamed } from "../../http-client/streamed.ts";
import type { Entra } from "../../identity/azure/entra.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { authoritiesOf } from "../../tls/pem.ts";
import { storageFailure } from "./storage-failures.ts";
import { whatToGrant, type StoragePermission } from "./storage-permissions.ts";
import { authorization } from "./shared-key.ts";
import type { SharedKey } from "./shared-key.ts";

/** How requests are allowed: by the account's key, a token of Entra ID, or a signature that is part of the URL. */
export type StorageLogin =
  | { readonly sharedKey: SharedKey }
  | { readonly entra: Entra }
  | { readonly sas: Readonly<Record<string, string>> };

export type StorageRequest = {
  readonly method: string;
  /** Below the service's URL, each a segment, not encoded. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  /** By name in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of a blob, with the case of their names, which the service keeps. */
  readonly metadata?: ReadonlyMap<string, string>;
  readonly body?: Uint8Array | undefined;
  /** The most bytes of the answer; more is a failure. Default: those of any answer that is no payload. */
  readonly maxBody?: number;
  /** To be told where it is refused for want of it. */
  readonly needs?: StoragePermission;
};

export type StorageOptions = {
  /** The URL of the service, with the account where that is part of its path. */
  readonly url: string;
  readonly login: StorageLogin;
  readonly memory: MemoryShare;
  /** Told the signature or token of a request that was refused: the service may repeat it. */
  readonly hide: ((secret: string) => void) | undefined;
  /** The authorities to trust in place of the system's: PEM, or a file of it. */
  readonly caCert?: string | undefined;
};

/** As of 2022, which all clouds and Azurite speak. */
const storageVersion = "2021-12-02";
const storageScope = "https://storage.azure.com/.default";
const mostConnections = 128;
const largestAnswer = 16 * 1024 * 1024;
const mostErrorParts = 16;

/** Blobs or queues of an account, by their REST API. */
export class StorageClient implements AsyncDisposable {
  readonly #http: HttpClient;
  readonly #base: string;
  readonly login: StorageLogin;
  readonly #hide: ((secret: string) => void) | undefined;

  private constructor(http: HttpClient, { url, login, hide }: StorageOptions) {
    this.#http = http;
    this.#base = url.replace(/\/+$/, "");
    this.login = login;
    this.#hide = hide;
  }

  /** Connects to nothing. Throws a `BindingError` for a URL that is none. */
  static async open(options: StorageOptions): Promise<StorageClient> {
    const { url, memory, caCert } = options;
    parseAddress(url);
    const http = HttpClient.open(await import("undici"), {
      ...{ url, memory, maxConnections: mostConnections, tls: { ca: await authoritiesOf(caCert) } },
    });
    return new StorageClient(http, options);
  }

  /** Sends it, and returns the answer if that is 2xx. Rejects with a `BindingError` that begins with `what`. */
  async send(what: string, wanted: StorageRequest, signal: AbortSignal): Promise<Answered> {
    const { answered, request } = await this.#attempt(wanted, signal, (one) =>
      this.#http.send(one, signal),
    );
    if (!isSuccess(answered.status)) throw this.#failure(what, answered, request, wanted.needs);
    if (answered.cut)
      throw new BindingError("resource_exhausted", `${what}: the answer is too large`, {
        effect: "ambiguous",
      });
    return answered;
  }

  /** As {@link StorageClient.send}, with an answer whose body is read as it comes. */
  async stream(what: string, wanted: StorageRequest, signal: AbortSignal): Promise<Streamed> {
    const { answered, request } = await this.#attempt(wanted, signal, (one) =>
      this.#http.stream(one, signal),
    );
    if (isSuccess(answered.status)) return answered;
    const parts: Buffer[] = [];
    for await (const part of answered.body) {
      parts.push(part);
      if (parts.length === mostErrorParts) break;
    }
    const failed = { ...answered, body: Buffer.concat(parts) };
    throw this.#failure(what, failed, request, wanted.needs);
  }

  /** The URL of what a path names, without any login. */
  urlOf(path: readonly string[]): string {
    return `${this.#base}${encodePath(path)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }

  /** A token that is not taken any more, as of a rotated key, is asked for again, once. */
  async #attempt<Answer extends { readonly status: number; readonly discard?: () => void }>(
    wanted: StorageRequest,
    signal: AbortSignal,
    send: (request: Request) => Promise<Answer>,
  ): Promise<{ answered: Answer; request: Request }> {
    const { login } = this;
    const entra = "entra" in login ? login.entra : undefined;
    const token = await entra?.token(storageScope, signal);
    const request = this.#request(wanted, token);
    const answered = await send(request);
    if (answered.status !== 401 || entra === undefined || token === undefined)
      return { answered, request };
    entra.refused(token);
    const another = await entra.token(storageScope, signal);
    if (another === token) return { answered, request };
    answered.discard?.();
    const again = this.#request(wanted, another);
    return { answered: await send(again), request: again };
  }

  #failure(
    what: string,
    answered: Pick<Answered, "status" | "headers" | "body">,
    { headers }: Request,
    needs: StoragePermission | undefined,
  ): BindingError {
    const sent = headers.get("authorization")?.value.replace(/^(Bearer |SharedKey [^:]*:)/, "");
    if (sent !== undefined) this.#hide?.(sent);
    return storageFailure(what, answered, whatToGrant(this.login, needs));
  }

  #request(wanted: StorageRequest, token: string | undefined): Request {
    const { method, path, query = {}, headers: own = {}, body, maxBody = largestAnswer } = wanted;
    const { login } = this;
    const all = "sas" in login ? { ...query, ...login.sas } : query;
    const text = Object.entries(all).map(
      ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
    );
    const url = this.urlOf(path);
    const address = parseAddress(text.length === 0 ? url : `${url}?${text.join("&")}`);
    const given: Record<string, string> = {
      "x-ms-date": new Date().toUTCString(),
      "x-ms-version": storageVersion,
      ...own,
    };
    for (const [name, value] of wanted.metadata ?? [])
      given[`x-ms-meta-${name.toLowerCase()}`] = value;
    if (token !== undefined) given["authorization"] = `Bearer ${token}`;
    if ("sharedKey" in login) {
      const signedPath = address.path.replace(/\?.*$/s, "");
      const contentLength = body?.length ?? 0;
      const signed = { method, path: signedPath, query: all, headers: given, contentLength };
      given["authorization"] = authorization(login.sharedKey, signed);
    }
    // As it is stored: nothing is to be unpacked on the way.
    const headers: RequestHeaders = new Map([
      ["user-agent", userAgent],
      ["accept-encoding", { name: "Accept-Encoding", value: "identity" }],
    ]);
    for (const [name, value] of Object.entries(given)) setKnownHeader(headers, name, value);
    for (const [name, value] of wanted.metadata ?? [])
      headers.set(`x-ms-meta-${name.toLowerCase()}`, { name: `x-ms-meta-${name}`, value });
    return { method, address, headers, body, maxBody };
  }
}

function encodePath(path: readonly string[]): string {
  // A slash in a name is escaped, too, so that no `..` leads out of where it belongs.
  return path.map((part) => `/${encodeURIComponent(part)}`).join("");
}
