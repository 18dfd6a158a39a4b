import { BindingError } from "../errors.ts";
import { invokeFailureText } from "../rpc/errors.ts";
import { headerText, isHeaderName } from "../rpc/metadata-headers.ts";
import { RecordHead } from "../grpc/request-head.ts";
import { metadataProblem } from "../rpc/metadata-limit.ts";
import { baggageProblem, traceOfRequest } from "../rpc/trace.ts";
import type { Invocation } from "../runtime/outputs/invocation.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { StoreState } from "../store/store.ts";
import { readBindingRequest, type BindingRequest } from "./binding-request.ts";
import type { TokenCheck } from "./gate.ts";
import { goJson, JsonError } from "./go-json.ts";
import { Compressed, requirePlain, requireUtf8 } from "./plain-body.ts";
import type { RuntimeDescription } from "../rpc/description.ts";
import type { MemoryShare, Reservation } from "../memory/budget.ts";
import { NoRoom, readBody, TooLarge, TooSlow } from "./body.ts";
import type { HttpRequest, HttpResponse } from "../rpc/http-message.ts";
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
  handle(request: HttpRequest, response: HttpResponse, memory: MemoryShare): void {
    onError(response);
    const path = pathOf(request.url ?? "/");
    if (path === undefined) return sendText(response, 400, "400 Bad Request");
    const isGet = request.method === "GET";
    if (isGet && path.startsWith("/v1.0/healthz")) {
      const answered = this.#health(path, request, response);
      if (answered) return;
    }
    if (this.#options.token(request.headers) !== undefined) {
      return sendText(response, 401, "invalid api token\n", {
        "x-content-type-options": "nosniff",
      });
    }
    const name = bindingName(path);
    if (name !== undefined && (request.method === "POST" || request.method === "PUT")) {
      void this.#invoke(name, request, response, reservation(response, memory));
      return;
    }
    if (path === "/v1.0/metadata" && isGet)
      return sendJson(response, 200, `${goJson(this.#options.description.json())}\n`);
    if (path.startsWith("/v1.0/metadata/") && request.method === "PUT") {
      const key = path.slice("/v1.0/metadata/".length);
      void this.#setMetadata(key, request, response, reservation(response, memory));
      return;
    }
    if (path === "/v1.0/shutdown" && request.method === "POST") {
      sendNothing(response, 204);
      this.#options.shutdown();
      return;
    }
    sendError(response, 404, "ERR_DIRECT_INVOKE", notServedText(path, request.headers));
  }

  /** The public port: health and metadata, nothing else, no token. */
  handlePublic(request: HttpRequest, response: HttpResponse): void {
    onError(response);
    const path = pathOf(request.url ?? "/") ?? "";
    const known = path === "/v1.0/metadata" || healthPaths.has(path);
    const plain = { "x-content-type-options": "nosniff" };
    if (!known) return sendText(response, 404, "404 page not found\n", plain);
    if (request.method !== "GET") {
      response.setHeader("allow", "GET");
      return sendNothing(response, 405);
    }
    if (path === "/v1.0/metadata")
      return sendJson(response, 200, `${goJson(this.#options.description.json())}\n`);
    this.#health(path, request, response);
  }

  #health(path: string, request: HttpRequest, response: HttpResponse): boolean {
    if (!healthPaths.has(path)) return false;
    const { runtime, description, store } = this.#options;
    const appId = new URLSearchParams((request.url ?? "").split("?")[1] ?? "").get("appid");
    if (path === "/v1.0/healthz" && appId !== null && appId !== description.appId) {
      sendError(response, 500, "ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match");
    } else if (!runtime.ready) {
      sendError(response, 500, "ERR_HEALTH_NOT_READY", "dapr is not ready: [runtime]");
    } else if (path === "/v1.0/healthz/store") {
      if (store?.trouble === undefined) sendNothing(response, 204);
      else sendError(response, 503, "ERR_HEALTH_NOT_READY", store.trouble);
    } else if (path === "/v1.0/healthz/ready") {
      const down = runtime
        .components()
        .filter(({ required, state }) => required && state !== "running" && state !== "paused");
      const text = down.map(
        ({ name, state, reason }) => `${name} is ${state}${reason && `: ${reason}`}`,
      );
      if (down.length === 0) sendNothing(response, 204);
      else
        sendError(
          response,
          503,
          "ERR_HEALTH_NOT_READY",
          `required components are down: ${text.join("; ")}`,
        );
    } else sendNothing(response, 204);
    return true;
  }

  async #setMetadata(
    key: string,
    request: HttpRequest,
    response: HttpResponse,
    memory: Reservation,
  ): Promise<void> {
    try {
      requirePlain(request);
      const body = await readBody(request, this.#options.maxBodySize, memory);
      requireUtf8(body);
      const problem = this.#options.description.setLabel(key, body.toString("utf8"));
      if (problem !== undefined) return sendError(response, 413, "ERR_METADATA_TOO_LARGE", problem);
      sendNothing(response, 204);
    } catch (error) {
      sendMalformed(request, response, error);
    }
  }

  async #readRequest(request: HttpRequest, memory: Reservation): Promise<BindingRequest> {
    requirePlain(request);
    const body = await readBody(request, this.#options.maxBodySize, memory);
    const read = readBindingRequest(body);
    requireUtf8(body);
    return read;
  }

  async #invoke(
    name: string,
    request: HttpRequest,
    response: HttpResponse,
    memory: Reservation,
  ): Promise<void> {
    const head = new RecordHead(request.headers);
    const problem = baggageProblem(head);
    if (problem !== undefined) {
      request.resume();
      return sendText(response, 400, `${problem}\n`, { "x-content-type-options": "nosniff" });
    }
    let body: BindingRequest;
    let trace: Record<string, string>;
    try {
      body = await this.#readRequest(request, memory);
      const tooMuch = metadataProblem(body.metadata);
      if (tooMuch !== undefined) return sendError(response, 413, "ERR_METADATA_TOO_LARGE", tooMuch);
      trace = traceOfRequest(head, body.metadata);
      setHeaders(response, trace);
    } catch (error) {
      setHeaders(response, traceOfRequest(head));
      return sendMalformed(request, response, error);
    }
    try {
      const metadata = Object.assign(body.metadata, trace);
      const invocation = new HttpInvocation(name, body.operation, body.data, metadata, response);
      const answer = await this.#options.runtime.invoke(invocation);
      if (answer === undefined) return sendNothing(response, 204);
      if (answer.metadata !== undefined) setMetadataHeaders(response, answer.metadata);
      memory.add(answer.data?.length ?? 0);
      sendJson(response, 200, answer.data ?? noBytes);
    } catch (thrown) {
      const error = BindingError.from(thrown);
      if (response.headersSent) return;
      if (error.metadata !== undefined) setMetadataHeaders(response, error.metadata);
      response.setHeader("cufflink-reason", error.reason);
      if (error.retryAfter !== undefined)
        response.setHeader("retry-after", String(Math.ceil(error.retryAfter / 1000)));
      sendError(response, 500, "ERR_INVOKE_OUTPUT_BINDING", invokeFailureText(name, error));
    }
  }
}

/** Makes the signal only when a binding asks for it. */
class HttpInvocation implements Invocation {
  readonly name: string;
  readonly operation: string;
  readonly data: Uint8Array | undefined;
  readonly encoding = "json";
  readonly metadata: Readonly<Record<string, string>>;
  readonly #response: HttpResponse;
  #abort: AbortController | undefined;

  constructor(
    name: string,
    operation: string,
    data: Uint8Array | undefined,
    metadata: Readonly<Record<string, string>>,
    response: HttpResponse,
  ) {
    this.name = name;
    this.operation = operation;
    this.data = data;
    this.metadata = metadata;
    this.#response = response;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = (this.#abort = new AbortController());
      const response = this.#response;
      const gone = (): void => {
        if (!response.writableEnded) abort.abort(new Error("cancelled by the caller"));
      };
      const emitter: NodeJS.EventEmitter = response;
      if (response.destroyed) gone();
      else emitter.once("close", gone);
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
  response: HttpResponse,
  metadata: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(metadata)) {
    if (!isHeaderName(name)) continue;
    response.setHeader(canonicalName(`metadata.${name}`), headerText(value));
  }
}

function canonicalName(name: string): string {
  return name
    .split("-")
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1).toLowerCase())
    .join("-");
}

function sendNothing(response: HttpResponse, status: number): void {
  response.statusCode = status;
  response.end();
}

function sendJson(response: HttpResponse, status: number, body: string | Uint8Array): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  response.setHeader("content-length", bytes.length);
  response.end(bytes);
}

function sendError(
  response: HttpResponse,
  status: number,
  errorCode: string,
  message: string,
): void {
  sendJson(response, status, goJson({ errorCode, message }));
}

function sendMalformed(request: HttpRequest, response: HttpResponse, error: unknown): void {
  if (error instanceof Compressed) {
    request.resume();
    response.setHeader("accept-encoding", "identity");
  }
  if (error instanceof Compressed || error instanceof JsonError) {
    const message = `failed deserializing HTTP body: ${error.message}`;
    const status = error instanceof Compressed ? 415 : 400;
    return sendError(response, status, "ERR_MALFORMED_REQUEST", message);
  }
  const refusal = refusalOf(error);
  if (refusal === undefined || response.headersSent) {
    // The caller went away in the middle of its body: there is nobody to answer.
    response.destroy();
    return;
  }
  const { status, errorCode, message } = refusal;
  const bytes = Buffer.from(goJson({ errorCode, message }));
  setHeaders(response, { "content-type": "application/json" });
  // HTTP/2 has no such header.
  if (request.httpVersionMajor < 2) response.setHeader("connection", "close");
  if (status === 503) response.setHeader("retry-after", "1");
  response.setHeader("content-length", bytes.length);
  response.statusCode = status;
  writeBytes(response, bytes);
  // Ending the answer closes the connection, and a caller that still sends would see only that.
  const end = (): void => {
    clearTimeout(timer);
    if (!response.writableEnded) response.end();
  };
  const timer = setTimeout(end, drainTime);
  onceDrained(request, end);
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
function reservation(response: HttpResponse, memory: MemoryShare): Reservation {
  const own = memory.open();
  const emitter: NodeJS.EventEmitter = response;
  emitter.once("close", () => own.release());
  return own;
}

/** How long a caller that sends too much may go on, in milliseconds. */
const drainTime = 5000;

function onceDrained(request: HttpRequest, done: () => void): void {
  const emitter: NodeJS.EventEmitter = request;
  if (request.readableEnded || request.destroyed) return done();
  emitter.once("end", done);
  emitter.once("close", done);
}

function writeBytes(response: HttpResponse, bytes: Buffer): void {
  const writable: NodeJS.WritableStream = response;
  writable.write(bytes);
}

function setHeaders(response: HttpResponse, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

function sendText(
  response: HttpResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.setHeader("content-length", Buffer.byteLength(text));
  response.end(text);
}

/** An error of the response is the caller's going away, which `close` tells too. */
function onError(response: HttpResponse): void {
  const emitter: NodeJS.EventEmitter = response;
  emitter.on("error", () => undefined);
}
