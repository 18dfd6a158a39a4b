import { BindingError } from "../errors.ts";
import { invokeFailureText } from "../rpc/failure-text.ts";
import { headerText, isHeaderName } from "../rpc/metadata-headers.ts";
import { metadataProblem } from "../rpc/metadata-limit.ts";
import { baggageProblem, beginCall, traceOfRequest } from "../rpc/trace.ts";
import type { Invocation } from "../runtime/outputs/invocation.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { isSampled } from "../runtime/trace.ts";
import type { CallSpan, TracedCall } from "../runtime/tracer.ts";
import type { StoreState } from "../store/store.ts";
import { readBindingRequest, type BindingRequest } from "./binding-request.ts";
import type { TokenCheck } from "./gate.ts";
import { goJson, JsonError } from "./go-json.ts";
import { Compressed, requirePlain, requireUtf8 } from "./plain-body.ts";
import type { RuntimeDescription } from "../rpc/description.ts";
import type { MemoryShare, Reservation } from "../memory/budget.ts";
import { NoRoom, readBody, TooLarge, TooSlow } from "./body.ts";
import type { HttpExchange } from "../rpc/http-exchange.ts";
import { notServedText } from "./other-blocks.ts";

export type DaprHttpOptions = {
  readonly runtime: Runtime;
  readonly description: RuntimeDescription;
  /** Where durable records are kept. Absent: there are none. */
  readonly store?: StoreState | undefined;
  readonly token: TokenCheck;
  /** The largest request body, in bytes. */
  readonly maxBodySize: number;
  /** Called for `POST /v1.0/shutdown`. */
  readonly shutdown: () => void;
};

/** Dapr's HTTP API for bindings, metadata, health and shutdown. */
export class DaprHttp {
  readonly #options: DaprHttpOptions;

  constructor(options: DaprHttpOptions) {
    this.#options = options;
  }

  /** Answers every request; unknown paths as daprd does. `memory`: of the listener. */
  handle(exchange: HttpExchange, memory: MemoryShare): void {
    const { method } = exchange;
    const path = pathOf(exchange.target);
    if (path === undefined) return sendText(exchange, 400, "400 Bad Request");
    const isGet = method === "GET";
    if (isGet && path.startsWith("/v1.0/healthz") && this.#health(path, exchange)) return;
    if (this.#options.token(exchange) !== undefined) {
      exchange.setHeader("x-content-type-options", "nosniff");
      return sendText(exchange, 401, "invalid api token\n");
    }
    const name = bindingName(path);
    if (name !== undefined && (method === "POST" || method === "PUT")) {
      void this.#invoke(name, exchange, reservation(exchange, memory));
      return;
    }
    if (path === "/v1.0/metadata" && isGet)
      return sendJson(exchange, 200, `${goJson(this.#options.description.json())}\n`);
    if (path.startsWith("/v1.0/metadata/") && method === "PUT") {
      const key = path.slice("/v1.0/metadata/".length);
      void this.#setMetadata(key, exchange, reservation(exchange, memory));
      return;
    }
    if (path === "/v1.0/shutdown" && method === "POST") {
      exchange.answer(204);
      this.#options.shutdown();
      return;
    }
    sendError(exchange, 404, "ERR_DIRECT_INVOKE", notServedText(path, exchange));
  }

  /** The public port: health and metadata, nothing else, no token. */
  handlePublic(exchange: HttpExchange): void {
    const path = pathOf(exchange.target) ?? "";
    const known = path === "/v1.0/metadata" || healthPaths.has(path);
    if (!known) {
      exchange.setHeader("x-content-type-options", "nosniff");
      return sendText(exchange, 404, "404 page not found\n");
    }
    if (exchange.method !== "GET") {
      exchange.setHeader("allow", "GET");
      return exchange.answer(405);
    }
    if (path === "/v1.0/metadata")
      return sendJson(exchange, 200, `${goJson(this.#options.description.json())}\n`);
    this.#health(path, exchange);
  }

  #health(path: string, exchange: HttpExchange): boolean {
    if (!healthPaths.has(path)) return false;
    const { runtime, description, store } = this.#options;
    const appId = new URLSearchParams(exchange.target.split("?")[1] ?? "").get("appid");
    if (path === "/v1.0/healthz" && appId !== null && appId !== description.appId) {
      sendError(exchange, 500, "ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match");
    } else if (!runtime.ready) {
      sendError(exchange, 500, "ERR_HEALTH_NOT_READY", "dapr is not ready: [runtime]");
    } else if (path === "/v1.0/healthz/store") {
      if (store?.trouble === undefined) exchange.answer(204);
      else sendError(exchange, 503, "ERR_HEALTH_NOT_READY", store.trouble);
    } else if (path === "/v1.0/healthz/ready") {
      const down = runtime
        .components()
        .filter(({ required, state }) => required && state !== "running" && state !== "paused");
      const text = down.map(
        ({ name, state, reason }) => `${name} is ${state}${reason && `: ${reason}`}`,
      );
      if (down.length === 0) exchange.answer(204);
      else
        sendError(
          exchange,
          503,
          "ERR_HEALTH_NOT_READY",
          `required components are down: ${text.join("; ")}`,
        );
    } else exchange.answer(204);
    return true;
  }

  async #setMetadata(key: string, exchange: HttpExchange, memory: Reservation): Promise<void> {
    try {
      requirePlain(exchange);
      const body = await readBody(exchange, this.#options.maxBodySize, memory);
      requireUtf8(body);
      const problem = this.#options.description.setLabel(key, body.toString("utf8"));
      if (problem !== undefined) return sendError(exchange, 413, "ERR_METADATA_TOO_LARGE", problem);
      exchange.answer(204);
    } catch (error) {
      sendMalformed(exchange, error);
    }
  }

  async #readRequest(exchange: HttpExchange, memory: Reservation): Promise<BindingRequest> {
    requirePlain(exchange);
    const body = await readBody(exchange, this.#options.maxBodySize, memory);
    const read = readBindingRequest(body);
    requireUtf8(body);
    return read;
  }

  async #invoke(name: string, exchange: HttpExchange, memory: Reservation): Promise<void> {
    const problem = baggageProblem(exchange);
    if (problem !== undefined) {
      exchange.setHeader("x-content-type-options", "nosniff");
      return sendText(exchange, 400, `${problem}\n`);
    }
    const { tracer } = this.#options.runtime;
    let body: BindingRequest;
    let trace: Record<string, string>;
    let span: CallSpan | undefined;
    try {
      body = await this.#readRequest(exchange, memory);
      const tooMuch = metadataProblem(body.metadata);
      if (tooMuch !== undefined) return sendError(exchange, 413, "ERR_METADATA_TOO_LARGE", tooMuch);
      trace = traceOfRequest(exchange, body.metadata, tracer?.sampling);
      if (tracer !== undefined && isSampled(trace["traceparent"]))
        span = beginCall(tracer, httpCall(exchange), exchange, trace, body.metadata);
      setHeaders(exchange, trace);
    } catch (error) {
      setHeaders(exchange, traceOfRequest(exchange));
      return sendMalformed(exchange, error);
    }
    try {
      const metadata = Object.assign(body.metadata, trace);
      const invocation = new HttpInvocation(name, body.operation, body.data, metadata, exchange);
      const answer = await this.#options.runtime.invoke(invocation);
      span?.end(answer === undefined ? 204 : 200);
      if (answer === undefined) return exchange.answer(204);
      if (answer.metadata !== undefined) setMetadataHeaders(exchange, answer.metadata);
      memory.add(answer.data?.length ?? 0);
      sendJson(exchange, 200, answer.data ?? noBytes);
    } catch (thrown) {
      const error = BindingError.from(thrown);
      span?.end(500, error.message);
      if (exchange.headersSent) return;
      if (error.metadata !== undefined) setMetadataHeaders(exchange, error.metadata);
      exchange.setHeader("cufflink-reason", error.reason);
      if (error.retryAfter !== undefined)
        exchange.setHeader("retry-after", String(Math.ceil(error.retryAfter / 1000)));
      sendError(exchange, 500, "ERR_INVOKE_OUTPUT_BINDING", invokeFailureText(name, error));
    }
  }
}

function httpCall({ method, target }: HttpExchange): TracedCall {
  const path = pathOf(target) ?? "";
  return { kind: "http", method, route: "/v1.0/bindings/{name}", path };
}

/** Makes the signal only when a binding asks for it. */
class HttpInvocation implements Invocation {
  readonly name: string;
  readonly operation: string;
  readonly data: Uint8Array | undefined;
  readonly encoding = "json";
  readonly metadata: Readonly<Record<string, string>>;
  readonly #exchange: HttpExchange;
  #abort: AbortController | undefined;

  constructor(
    name: string,
    operation: string,
    data: Uint8Array | undefined,
    metadata: Readonly<Record<string, string>>,
    exchange: HttpExchange,
  ) {
    this.name = name;
    this.operation = operation;
    this.data = data;
    this.metadata = metadata;
    this.#exchange = exchange;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = (this.#abort = new AbortController());
      const exchange = this.#exchange;
      exchange.onClosed(() => {
        if (!exchange.isEnded) abort.abort(new Error("cancelled by the caller"));
      });
    }
    return this.#abort.signal;
  }
}

const noBytes = Buffer.alloc(0);
const healthPaths: ReadonlySet<string> = new Set([
  "/v1.0/healthz",
  "/v1.0/healthz/outbound",
  "/v1.0/healthz/ready",
  "/v1.0/healthz/store",
]);

/** Slashes folded, dots resolved, no slash at the end; still escaped. `undefined`: an escape that is none. */
function pathOf(url: string): string | undefined {
  const raw = url.split("?", 1)[0] ?? "";
  if (!raw.includes("//") && !raw.includes("/.") && !raw.includes("%") && !raw.endsWith("/"))
    return raw;
  if (/%(?![0-9a-fA-F]{2})/.test(raw)) return undefined;
  const parts: string[] = [];
  for (const part of raw.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  const path = `/${parts.join("/")}`;
  return path.replaceAll(/%(?!2[fF])[0-9a-fA-F]{2}/g, (escape) => decodeEscape(escape));
}

/** One escape as Latin-1; those of UTF-8 sequences are joined again in {@link bindingName}. */
function decodeEscape(escape: string): string {
  return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
}

function bindingName(path: string): string | undefined {
  const prefix = "/v1.0/bindings/";
  if (!path.startsWith(prefix)) return undefined;
  const name = path.slice(prefix.length);
  if (name === "" || name.includes("/")) return undefined;
  if (/^[\w.-]+$/.test(name)) return name;
  const text = name.replaceAll("+", " ").replaceAll(/%2[fF]/g, "/");
  return Buffer.from(text, "latin1").toString("utf8");
}

/** Go writes a header name with its letters after hyphens as they come, the first one large. */
function setMetadataHeaders(
  exchange: HttpExchange,
  metadata: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(metadata)) {
    if (!isHeaderName(name)) continue;
    exchange.setHeader(canonicalName(`metadata.${name}`), headerText(value));
  }
}

function canonicalName(name: string): string {
  return name
    .split("-")
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1).toLowerCase())
    .join("-");
}

function sendJson(exchange: HttpExchange, status: number, body: string | Uint8Array): void {
  exchange.setHeader("content-type", "application/json");
  exchange.answer(status, typeof body === "string" ? Buffer.from(body) : body);
}

function sendError(
  exchange: HttpExchange,
  status: number,
  errorCode: string,
  message: string,
): void {
  sendJson(exchange, status, goJson({ errorCode, message }));
}

function sendMalformed(exchange: HttpExchange, error: unknown): void {
  if (error instanceof Compressed) exchange.setHeader("accept-encoding", "identity");
  if (error instanceof Compressed || error instanceof JsonError) {
    const message = `failed deserializing HTTP body: ${error.message}`;
    const status = error instanceof Compressed ? 415 : 400;
    return sendError(exchange, status, "ERR_MALFORMED_REQUEST", message);
  }
  const refusal = refusalOf(error);
  if (refusal === undefined || exchange.headersSent) {
    // The caller went away in the middle of its body, or whoever watches it has answered.
    if (!exchange.isEnded) exchange.abort();
    return;
  }
  exchange.setHeader("connection", "close");
  if (refusal.status === 503) exchange.setHeader("retry-after", "1");
  sendError(exchange, refusal.status, refusal.errorCode, refusal.message);
}

type Refusal = { readonly status: number; readonly errorCode: string; readonly message: string };

/** The answer to a body that was not taken whole. */
function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof TooLarge) {
    const message = `failed deserializing HTTP body: ${error.message}`;
    return { status: 400, errorCode: "ERR_MALFORMED_REQUEST", message };
  }
  if (error instanceof NoRoom)
    return { status: 503, errorCode: "ERR_MEMORY_LIMIT", message: error.message };
  if (error instanceof TooSlow)
    return { status: 408, errorCode: "ERR_REQUEST_TIMEOUT", message: error.message };
  return undefined;
}

/** The memory of one request, until its answer is out or its caller has gone. */
function reservation(exchange: HttpExchange, memory: MemoryShare): Reservation {
  const own = memory.open();
  exchange.onClosed(() => own.release());
  return own;
}

function setHeaders(exchange: HttpExchange, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) exchange.setHeader(name, value);
}

function sendText(exchange: HttpExchange, status: number, text: string): void {
  exchange.setHeader("content-type", "text/plain; charset=utf-8");
  exchange.answer(status, Buffer.from(text));
}
