import { createHash, createHmac } from "node:crypto";
import { isIP } from "node:net";
import { BindingError } from "../../../errors.ts";
import { parseAddress, type Address } from "../../../http-client/address.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import { failureOf } from "./failures.ts";
import { ServiceClient, type ServiceOptions } from "../../../http-client/service-client.ts";
import { isSuccess } from "../../../http-client/status.ts";

export type LogServiceOptions = Omit<ServiceOptions, "url"> & {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secret: string;
};

export type LogRequest = {
  readonly method: "GET" | "POST";
  /** Without anything to escape. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: { readonly type: string; readonly bytes: Uint8Array; readonly rawSize?: number };
};

/** What of a request is signed; the names of headers are in lower case. */
export type SignedParts = Pick<LogRequest, "method" | "path" | "query"> & {
  readonly headers: Readonly<Record<string, string>>;
};

/** Alibaba's Log Service, whose requests are signed by version 1 of its signature. */
export class LogService implements AsyncDisposable {
  readonly #service: ServiceClient;
  readonly #options: LogServiceOptions;
  readonly #endpoint: Address;

  private constructor(service: ServiceClient, endpoint: Address, options: LogServiceOptions) {
    this.#service = service;
    this.#endpoint = endpoint;
    this.#options = options;
  }

  /** Connects to nothing. Throws a `BindingError` for what is no endpoint. */
  static async open(options: LogServiceOptions): Promise<LogService> {
    const { endpoint } = options;
    const url = /^https?:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`;
    const address = parseAddress(url);
    if (address.path !== "/" || address.authorization !== undefined)
      throw new BindingError("invalid_argument", "endpoint must be SCHEME://HOST:PORT alone");
    return new LogService(await ServiceClient.open({ ...options, url }), address, options);
  }

  /** Resolves to a good answer. Rejects with a `BindingError` for a refusal. */
  async ask(project: string, request: LogRequest, signal: AbortSignal): Promise<Answered> {
    const { method, path, query = {}, body } = request;
    const headers = {
      ...request.headers,
      "x-log-apiversion": "0.6.0",
      "x-log-signaturemethod": "hmac-sha1",
      "x-log-bodyrawsize": String(body?.rawSize ?? body?.bytes.length ?? 0),
      date: new Date().toUTCString(),
      ...(body === undefined ? {} : { "content-type": body.type, "content-md5": md5(body.bytes) }),
    };
    const { accessKeyId, secret } = this.#options;
    const signature = signatureOf({ method, path, query, headers }, secret);
    const search = new URLSearchParams(query).toString();
    const at = this.#placeOf(project);
    const answered = await this.#service.ask(
      {
        ...{ method, host: at.host, body: body?.bytes, secret: signature },
        address: parseAddress(`${at.origin}${path}${search === "" ? "" : `?${search}`}`),
        headers: { ...headers, authorization: `LOG ${accessKeyId}:${signature}` },
      },
      signal,
    );
    if (!isSuccess(answered.status)) throw failureOf(answered);
    return answered;
  }

  /** The project's name comes before the endpoint's. An address is asked by that name. */
  #placeOf(project: string): { origin: string; host?: string } {
    const { origin, hostname } = this.#endpoint;
    if (isIP(hostname.replace(/^\[|\]$/g, "")) !== 0)
      return { origin, host: `${project}.${origin.replace(/^.*\/\//, "")}` };
    if (hostname.startsWith(`${project}.`)) return { origin };
    return { origin: origin.replace("://", `://${project}.`) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
  }
}

/** The signature of a request's head, as Alibaba's reference describes it. */
export function signatureOf(
  { method, path, query = {}, headers }: SignedParts,
  secret: string,
): string {
  const own = Object.keys(headers).filter((name) => /^x-(log|acs)-/.test(name));
  const parameters = Object.keys(query).toSorted();
  const search = parameters.map((name) => `${name}=${query[name]}`).join("&");
  const text = [
    method,
    headers["content-md5"] ?? "",
    headers["content-type"] ?? "",
    headers["date"] ?? "",
    ...own.toSorted().map((name) => `${name}:${headers[name]}`),
    search === "" ? path : `${path}?${search}`,
  ].join("\n");
  return createHmac("sha1", secret).update(text).digest("base64");
}

/** Throws a `BindingError` for a name that Log Service has not, as any that would lead to another host or path. */
export function checkName(what: "project" | "logstore" | "consumerGroup", name: string): string {
  const allowed =
    what === "project" ? /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/ : /^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$/;
  if (allowed.test(name)) return name;
  const underscores = what === "project" ? "" : ", underscores";
  throw new BindingError(
    "invalid_argument",
    `${what} must be 3 to 63 lower-case letters, digits${underscores} and hyphens, with a letter or digit at both ends`,
  );
}

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex").toUpperCase();
}
