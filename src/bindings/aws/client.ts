import type { sign } from "aws4";
import { BindingError, messageOf } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import type { Address } from "../../http-client/address.ts";
import { HttpClient } from "../../http-client/client.ts";
import type { ClientOptions, Request } from "../../http-client/client.ts";
import type { Answered } from "../../http-client/exchange.ts";
import { setKnownHeader, userAgent } from "../../http-client/headers.ts";
import type { RequestHeaders } from "../../http-client/headers.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import { isSuccess } from "../../http-client/status.ts";
import type { Streamed } from "../../http-client/streamed.ts";
import { boundedText } from "../../memory/bounded-text.ts";
import { AwsIdentity } from "../../identity/aws/identity.ts";
import type { AwsCredentials } from "../../identity/aws/identity.ts";
import { loadSigning, signedHeaders } from "../../identity/aws/signing.ts";
import { awsFailure, isExpired } from "./failures.ts";
import type { AwsRefusal } from "./failures.ts";
import type { AwsMetadata } from "./fields.ts";
import { parseXml, textAt } from "../../text/xml.ts";
import type { XmlElement } from "../../text/xml.ts";
import { settingsOf, trustOf } from "./settings.ts";
import type { AwsService } from "./settings.ts";

/** What a client is opened with: the same of every binding's `open`. */
export type AwsOpening = {
  readonly metadata: AwsMetadata;
  readonly memory: ClientOptions["memory"];
  readonly driver: (name: string) => unknown;
  readonly hide?: (secret: string) => void;
};

/** One request, before it is signed. */
export type AwsRequest = {
  /** As AWS names it, for messages. */
  readonly operation: string;
  readonly method: string;
  /** Percent-encoded, with the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  /** The most bytes of the answer; default 16 MiB. More is an error. */
  readonly maxBody?: number;
  readonly signal: AbortSignal;
  /** Where it goes instead of the client's own endpoint. */
  readonly address?: Address;
  /** What carries a request whose answer is read as it comes; absent: HTTP/1.1. */
  readonly exchange?: (wanted: Request, signal: AbortSignal) => Promise<Streamed>;
};

const largestAnswer = 16 * 1024 * 1024;
const largestRefusal = 64 * 1024;
const longestMessage = 2048;
/** To each host; further calls wait within their deadlines. */
const mostConnections = 256;
const noOrigins: ReadonlySet<string> = new Set();

/** Signs and sends requests to one service of AWS. It repeats nothing, beside what was refused for expired credentials. */
export class AwsClient implements AsyncDisposable {
  readonly #http: HttpClient;
  readonly #identity: AwsIdentity;
  readonly #sign: typeof sign;
  readonly #hide: (secret: string) => void;
  #home: Address | undefined;
  readonly service: AwsService;
  readonly region: string;
  /** The base URL, without a slash at its end. */
  readonly endpoint: string;

  private constructor(
    parts: { http: HttpClient; identity: AwsIdentity; sign: typeof sign },
    hide: (secret: string) => void,
    place: { service: AwsService; region: string; endpoint: string },
  ) {
    this.#http = parts.http;
    this.#identity = parts.identity;
    this.#sign = parts.sign;
    this.#hide = hide;
    this.service = place.service;
    this.region = place.region;
    this.endpoint = place.endpoint;
  }

  /** Asks nobody: neither the service nor for credentials. Rejects with a `BindingError` for metadata that cannot be used. */
  static async open(
    { metadata, memory, driver, hide }: AwsOpening,
    service: AwsService,
    tls?: ClientOptions["tls"],
  ): Promise<AwsClient> {
    const settings = settingsOf(metadata, service);
    const trust = { ...(await trustOf(metadata)), ...tls };
    const [undici, signRequest] = await Promise.all([import("undici"), loadSigning()]);
    const http = HttpClient.open(undici, {
      url: settings.endpoint,
      memory,
      maxConnections: mostConnections,
      tls: trust,
    });
    const { region } = settings;
    const identity = new AwsIdentity({ login: metadata, region, memory, driver, hide, tls: trust });
    return new AwsClient({ http, identity, sign: signRequest }, hide ?? (() => undefined), {
      service,
      ...settings,
    });
  }

  /** An operation of a service that speaks JSON; resolves to its answer. */
  async json<Answer extends object>(
    target: {
      readonly prefix: string;
      readonly operation: string;
      readonly version: "1.0" | "1.1";
    },
    input: object,
    signal: AbortSignal,
    options: { readonly maxBody?: number; readonly address?: Address } = {},
  ): Promise<Answer> {
    const { prefix, operation, version } = target;
    const answered = await this.send({
      operation,
      method: "POST",
      path: "/",
      headers: {
        "Content-Type": `application/x-amz-json-${version}`,
        "X-Amz-Target": `${prefix}.${operation}`,
      },
      body: Buffer.from(JSON.stringify(input)),
      signal,
      ...options,
    });
    if (answered.body.length === 0) return {} as Answer;
    try {
      return JSON.parse(answered.body.toString("utf8")) as Answer;
    } catch (error) {
      throw this.#unreadable(operation, messageOf(error));
    }
  }

  /** An operation of a service that speaks AWS's query protocol; resolves to the element `OperationResult`. */
  async query(
    { operation, version }: { readonly operation: string; readonly version: string },
    parameters: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<XmlElement> {
    const form = new URLSearchParams({ Action: operation, Version: version, ...parameters });
    const answered = await this.send({
      operation,
      method: "POST",
      path: "/",
      headers: { "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" },
      body: Buffer.from(form.toString()),
      signal,
    });
    const root = parseXml(answered.body.toString("utf8"));
    if (root === undefined) throw this.#unreadable(operation, "no XML");
    return root.children.find(({ name }) => name === `${operation}Result`) ?? root;
  }

  /** Signs and sends one request, and resolves to an answer of 2xx. Rejects with a `BindingError` for every other one. */
  async send(request: AwsRequest): Promise<Answered> {
    const credentials = await this.#credentials(request.operation);
    const answered = await this.#exchange(request, credentials);
    if (isSuccess(answered.status)) return this.#whole(request, answered);
    const refusal = refusalOf(answered);
    // It was refused before anything was done, so it may be sent again.
    if (isExpired(refusal) && this.#identity.refuse(credentials)) {
      const renewed = await this.#credentials(request.operation);
      const again = await this.#exchange(request, renewed);
      if (isSuccess(again.status)) return this.#whole(request, again);
      throw awsFailure(this.service.id, request.operation, refusalOf(again));
    }
    throw awsFailure(this.service.id, request.operation, refusal);
  }

  /** As {@link AwsClient.send}, with an answer whose body is read as it comes. */
  async stream(request: AwsRequest): Promise<Streamed> {
    const credentials = await this.#credentials(request.operation);
    const answered = await this.#opened(request, credentials);
    if (isSuccess(answered.status)) return answered;
    const refusal = await this.#refusalOf(answered);
    if (!isExpired(refusal) || !this.#identity.refuse(credentials))
      throw awsFailure(this.service.id, request.operation, refusal);
    const renewed = await this.#credentials(request.operation);
    const again = await this.#opened(request, renewed);
    if (isSuccess(again.status)) return again;
    throw awsFailure(this.service.id, request.operation, await this.#refusalOf(again));
  }

  /** The credentials to sign other things with, such as a URL. */
  credentials(): Promise<AwsCredentials> | AwsCredentials {
    return this.#identity.credentials();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#http[Symbol.asyncDispose](), this.#identity[Symbol.asyncDispose]()]);
  }

  async #credentials(operation: string): Promise<AwsCredentials> {
    return prefixed(
      `operation error ${this.service.id}: ${operation}, get identity: get credentials: `,
      Promise.resolve(this.#identity.credentials()),
    );
  }

  async #exchange(request: AwsRequest, credentials: AwsCredentials): Promise<Answered> {
    const { wanted, signature } = this.#signed(request, credentials);
    const answered = await prefixed(
      `operation error ${this.service.id}: ${request.operation}, `,
      this.#http.send(wanted, request.signal),
    );
    // A server may quote what it was sent.
    if (!isSuccess(answered.status)) this.#hide(signature);
    return answered;
  }

  async #opened(request: AwsRequest, credentials: AwsCredentials): Promise<Streamed> {
    const { wanted, signature } = this.#signed(request, credentials);
    const answered = await prefixed(
      `operation error ${this.service.id}: ${request.operation}, `,
      (request.exchange ?? ((...wanted) => this.#http.stream(...wanted)))(wanted, request.signal),
    );
    if (!isSuccess(answered.status)) this.#hide(signature);
    return answered;
  }

  async #refusalOf(answered: Streamed): Promise<AwsRefusal> {
    const text = await boundedText(answered.body, largestRefusal).catch(() => "");
    answered.discard();
    return refusalOf({ ...answered, body: Buffer.from(text), cut: false });
  }

  #signed(
    request: AwsRequest,
    credentials: AwsCredentials,
  ): { readonly wanted: Request; readonly signature: string } {
    const { method, body, maxBody = largestAnswer } = request;
    const address = request.address ?? this.addressOf(request.path);
    const signed = signedHeaders(
      this.#sign,
      {
        service: this.service.signedAs ?? this.service.host,
        region: this.region,
        host: hostOf(address.origin),
        method,
        path: address.path,
        headers: request.headers,
        body,
      },
      credentials,
    );
    const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
    for (const [name, value] of Object.entries(signed))
      setKnownHeader(headers, name.toLowerCase(), String(value), name);
    const signature = /Signature=([0-9a-f]+)/.exec(String(signed["Authorization"]))?.[1] ?? "";
    // No redirect is followed: what is signed is signed for one host.
    return { wanted: { method, address, headers, body, maxBody, origins: noOrigins }, signature };
  }

  /** The address of a path below the endpoint. */
  addressOf(path: string): Address {
    // Most services have one path for all.
    if (path === "/") return (this.#home ??= parseAddress(`${this.endpoint}/`));
    return parseAddress(`${this.endpoint}${path}`);
  }

  #whole({ operation }: AwsRequest, answered: Answered): Answered {
    if (!answered.cut) return answered;
    throw new BindingError(
      "resource_exhausted",
      `operation error ${this.service.id}: ${operation}, the answer is too large`,
      { effect: "ambiguous" },
    );
  }

  #unreadable(operation: string, why: string): BindingError {
    return new BindingError(
      "internal",
      `operation error ${this.service.id}: ${operation}, deserialization failed: ${why}`,
      { effect: "ambiguous" },
    );
  }
}

const hosts = new Map<string, string>();

/** The host that is signed, as the HTTP client writes it. */
function hostOf(origin: string): string {
  let host = hosts.get(origin);
  if (host === undefined) {
    host = new URL(origin).host;
    if (hosts.size < 1000) hosts.set(origin, host);
  }
  return host;
}

/** What an answer other than 2xx says, in JSON or XML. */
export function refusalOf({ status, headers, body, phrase }: Answered): AwsRefusal {
  const text = body.toString("utf8");
  const said = text.trimStart().startsWith("<") ? fromXml(text) : fromJson(text);
  const header = headers["x-amzn-errortype"];
  const queryCode = /^([^;]+);/.exec(String(headers["x-amzn-query-error"] ?? ""))?.[1];
  const code = said.code || (typeof header === "string" ? header : "") || queryCode || "";
  return {
    status,
    code: plainCode(code),
    message: (said.message || (code === "" ? (phrase ?? "") : "")).slice(0, longestMessage),
    requestId:
      said.requestId ||
      String(headers["x-amzn-requestid"] ?? headers["x-amz-request-id"] ?? "").slice(0, 100),
    retryAfter: headers["retry-after"],
  };
}

type Said = {
  readonly code: string;
  readonly message: string;
  readonly requestId?: string | undefined;
};

function fromXml(text: string): Said {
  const root = parseXml(text);
  const error =
    root?.name === "Error" ? root : root?.children.find(({ name }) => /^Errors?$/.test(name));
  const innermost = error?.name === "Errors" ? error.children[0] : error;
  return {
    code: textAt(innermost, "Code")?.trim() ?? "",
    message: textAt(innermost, "Message") ?? "",
    requestId: textAt(root, "RequestId") ?? textAt(root, "RequestID"),
  };
}

function fromJson(text: string): Said {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { code: "", message: "" };
  }
  const fields =
    typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const one = (...names: readonly string[]): string => {
    const found = names.map((name) => fields[name]).find((entry) => typeof entry === "string");
    return typeof found === "string" ? found : "";
  };
  return {
    code: one("__type", "code", "Code"),
    message: one("message", "Message", "errorMessage"),
  };
}

/** `com.amazonaws.sqs#QueueDoesNotExist`, `AWS.SimpleQueueService.NonExistentQueue`, `Name:http://…`. */
function plainCode(code: string): string {
  return code
    .replace(/:.*$/s, "")
    .replace(/^.*[#.]/s, "")
    .trim()
    .slice(0, 100);
}
