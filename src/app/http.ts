import type { AnswerLimits } from "../grpc/answer-room.ts";
import type { Logger } from "../binding.ts";
import type { App, Delivery, Outcome } from "../runtime/app.ts";
import { Availability } from "./availability.ts";
import type { AppHealthOptions } from "./health.ts";
import type { HttpClient, HttpResult } from "./http-client.ts";
import { EventHeaders } from "./http-headers.ts";
import { routeTarget } from "./http-route.ts";
import { Http1Client } from "./http1-client.ts";
import { createHttp2Client } from "./http2-client.ts";
import { dataWithoutNull } from "./null-data.ts";
import { OutcomeHeaders } from "./outcome-header.ts";

export type HttpAppOptions = {
  /** `https`: with whatever certificate the app shows, as daprd. `h2c`: cleartext HTTP/2. */
  readonly protocol: "http" | "https" | "h2c";
  readonly host: string;
  readonly port: number;
  /** Sent as `dapr-api-token` with each request. */
  readonly token?: string | undefined;
  /** Milliseconds for one `OPTIONS` request. */
  readonly optionsTimeout: number;
  readonly answers: AnswerLimits;
  /** Absent: health is not asked for. */
  readonly health?: AppHealthOptions | undefined;
  readonly logger: Logger;
};

/** An app that serves a path for each input: `OPTIONS` asks whether it does, `POST` brings an event. */
export function createHttpApp(options: HttpAppOptions): App {
  return new HttpApp(options);
}

const longestQuote = 1024;

class HttpApp implements App {
  readonly #client: HttpClient;
  readonly #availability: Availability;
  readonly #headers: EventHeaders;
  readonly #said: OutcomeHeaders;
  readonly #options: HttpAppOptions;
  /** The status with which the app has refused an input, by its name. */
  readonly #refusals = new Map<string, number>();

  constructor(options: HttpAppOptions) {
    this.#options = options;
    const { protocol, host, port, health, answers, logger } = options;
    this.#client =
      protocol === "h2c"
        ? createHttp2Client({ host, port, answers })
        : new Http1Client({ host, port, answers, secure: protocol === "https" });
    this.#headers = new EventHeaders(options.logger);
    this.#said = new OutcomeHeaders(options.logger);
    const target = routeTarget(options.health?.path ?? "", "healthz");
    this.#availability = new Availability({
      ...{ link: this.#client, host, port, protocol, health, logger },
      probe: async (timeout) => {
        const headers = this.#withToken({ "user-agent": "cufflink" });
        const result = await this.#client.send({ method: "GET", target, headers }, { timeout });
        if (!isSuccess(result)) throw new Error(reasonOf(result));
      },
    });
  }

  get available(): boolean {
    return this.#availability.available;
  }

  get unavailableSince(): Date | undefined {
    return this.#availability.available ? undefined : this.#availability.since;
  }

  get unavailableReason(): string {
    return this.#availability.reason;
  }

  onAvailability(listener: () => void): () => void {
    return this.#availability.onChange(listener);
  }

  async wants(
    { name, route }: { name: string; route: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    signal.throwIfAborted();
    const target = routeTarget(route, name);
    const headers = this.#withToken({
      "user-agent": "cufflink",
      "content-type": "application/json",
    });
    const limits = { signal, timeout: this.#options.optionsTimeout };
    const result = await this.#client.send({ method: "OPTIONS", target, headers }, limits);
    // A server of HTTPS may answer a request without TLS so.
    if (isOfGrpc(result) || (result.kind === "answered" && result.status === 400))
      this.#availability.suspect();
    if (result.kind === "answered" && result.status < 500 && !isOfGrpc(result)) {
      const isWanted = result.status < 300 || result.status === 405;
      if (isWanted) this.#refusals.delete(name);
      else this.#refusals.set(name, result.status);
      return isWanted;
    }
    throw new Error(`OPTIONS ${target}: ${reasonOf(result)}`);
  }

  whyUnwanted(input: { name: string; route: string }): string {
    const status = this.#refusals.get(input.name);
    const target = routeTarget(input.route, input.name);
    return status === undefined ? "" : `it answers OPTIONS ${target} with ${status}`;
  }

  async deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const body = dataWithoutNull(delivery);
    const headers = this.#withToken(this.#headers.of(delivery));
    headers["content-type"] = "application/json";
    headers["content-length"] = String(body.length);
    const target = routeTarget(delivery.route, delivery.name);
    const { span } = delivery;
    if (span !== undefined) {
      const { host: address, port } = this.#options;
      span.way({ kind: "http", path: target, address, port });
    }
    const result = await this.#client.send({ method: "POST", target, headers, body }, { signal });
    if (result.kind === "answered") span?.status(result.status);
    if (isOfGrpc(result)) this.#availability.suspect();
    if (result.kind === "unsent") return result;
    if (!isSuccess(result)) {
      if (result.kind === "broken") return { kind: "refused", reason: result.reason };
      const codes = { http: result.status };
      const refused = { kind: "refused", reason: reasonOf(result), codes } as const;
      const headerOf = (name: string) => result.headers[name];
      return this.#said.of(delivery.name, headerOf, refused, textOf(result.body));
    }
    if (result.body.length === 0) return { kind: "handled", reply: undefined };
    const { body: data } = result;
    const type = result.headers["content-type"];
    const contentType = Array.isArray(type) ? type[0] : type;
    return { kind: "handled", reply: { source: "http", data, contentType } };
  }

  async close(): Promise<void> {
    this.#availability.close();
    await this.#client.close();
  }

  #withToken(headers: Record<string, string>): Record<string, string> {
    if (this.#options.token) headers["dapr-api-token"] = this.#options.token;
    return headers;
  }
}

function isSuccess(result: HttpResult): result is HttpResult & { kind: "answered" } {
  if (result.kind !== "answered" || isOfGrpc(result)) return false;
  return result.status >= 200 && result.status < 300;
}

/** Servers of gRPC answer with status 200, whatever they say. */
function isOfGrpc(result: HttpResult): boolean {
  if (result.kind !== "answered") return false;
  return String(result.headers["content-type"]).startsWith("application/grpc");
}

function reasonOf(result: HttpResult): string {
  if (result.kind !== "answered") return result.reason;
  if (isOfGrpc(result)) return "the app answers as gRPC does";
  const text = textOf(result.body);
  return `the app answered HTTP ${result.status}${text === "" ? "" : `: ${text}`}`;
}

/** The beginning of an error's body. */
function textOf(body: Uint8Array): string {
  return Buffer.from(body.subarray(0, longestQuote)).toString("utf8").trim();
}
