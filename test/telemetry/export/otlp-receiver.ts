import { createServer } from "node:http";
import {
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Stream,
} from "node:http2";
import type { Server } from "node:net";
import { gunzipSync } from "node:zlib";
import { until } from "../../until.ts";
import { metricsRequest, traceRequest, traceResponse, type KeyValue } from "./otlp-messages.ts";

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** A span as it was received. */
export type ReceivedSpan = {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it is the first of its trace. */
  readonly parentId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: string;
  readonly attributes: Attributes;
  readonly events: readonly { readonly name: string; readonly attributes: Attributes }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Empty: it went well, or nothing is said. */
  readonly error: string | undefined;
  readonly resource: Attributes;
  readonly schemaUrl: string;
};

/** A data point as it was received. */
export type ReceivedPoint = {
  readonly name: string;
  readonly unit: string;
  readonly kind: "gauge" | "sum" | "histogram";
  readonly attributes: Attributes;
  /** Of a histogram: how many values. */
  readonly count: number;
  /** Of a histogram: their sum. */
  readonly value: number;
  readonly resource: Attributes;
  readonly schemaUrl: string;
};

/** What a receiver does with an export. */
export type Behaviour =
  | { readonly kind: "take" }
  | { readonly kind: "hang" }
  | { readonly kind: "refuse"; readonly http: number; readonly grpc: number }
  | { readonly kind: "partly"; readonly rejected: number };

/** An OTLP receiver in the test's own process, over HTTP or gRPC. */
export class OtlpReceiver implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  readonly points: ReceivedPoint[] = [];
  /** The headers of each export. */
  readonly headers: Record<string, string | string[] | undefined>[] = [];
  readonly paths: string[] = [];
  behaviour: Behaviour = { kind: "take" };
  requests = 0;
  readonly #server: Server | Http2Server;
  readonly #sockets = new Set<{ destroy(): void }>();
  readonly #url: string;

  private constructor(server: Server | Http2Server, url: string) {
    this.#server = server;
    this.#url = url;
    server.on(
      "connection",
      (socket: { destroy(): void; on(name: string, f: () => void): void }) => {
        this.#sockets.add(socket);
        socket.on("close", () => this.#sockets.delete(socket));
      },
    );
  }

  static async http(): Promise<OtlpReceiver> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const isJson = request.headers["content-type"] === "application/json";
        const body = Buffer.concat(chunks);
        const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
        receiver.paths.push(request.url ?? "");
        const answer = receiver.#receive(bytes, isJson, request.headers);
        if (answer !== undefined) response.writeHead(answer.http).end(answer.body);
      });
    });
    const receiver: OtlpReceiver = new OtlpReceiver(server, await listen(server));
    return receiver;
  }

  static async grpc(): Promise<OtlpReceiver> {
    const server = createHttp2Server();
    const receiver = new OtlpReceiver(server, await listen(server));
    server.on("stream", (stream: ServerHttp2Stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on("error", () => undefined);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const frame = Buffer.concat(chunks);
        const message = frame.subarray(5);
        receiver.paths.push(String(headers[":path"]));
        const answer = receiver.#receive(
          frame[0] === 1 ? gunzipSync(message) : message,
          false,
          headers,
        );
        if (answer === undefined) return;
        const code = answer.kind === "refuse" ? answer.grpc : 0;
        stream.respond(
          { ":status": 200, "content-type": "application/grpc" },
          { waitForTrailers: true },
        );
        stream.on("wantTrailers", () =>
          stream.sendTrailers({
            "grpc-status": String(code),
            "grpc-message": code === 0 ? "" : "no",
          }),
        );
        if (code !== 0) {
          stream.end();
          return;
        }
        const prefix = Buffer.alloc(5);
        prefix.writeUInt32BE(answer.body.length, 1);
        stream.end(Buffer.concat([prefix, answer.body]));
      });
    });
    return receiver;
  }

  /** `http://127.0.0.1:PORT`. */
  get url(): string {
    return this.#url;
  }

  /** Waits for a span. */
  async span(
    name: string,
    where: (span: ReceivedSpan) => boolean = () => true,
  ): Promise<ReceivedSpan> {
    const find = (): ReceivedSpan | undefined =>
      this.spans.find((span) => span.name === name && where(span));
    await until(() => find() !== undefined, {
      what: () => `the span ${name} among ${JSON.stringify(this.spans.map((one) => one.name))}`,
      within: 20_000,
    });
    return find()!;
  }

  /** The names of a span and of all below it, each indented, in the order of their beginning. */
  tree(root: ReceivedSpan, indent = ""): string {
    const children = this.spans.filter(
      ({ traceId, parentId }) => traceId === root.traceId && parentId === root.spanId,
    );
    const below = children.map((child) => this.tree(child, `${indent}  `));
    return [`${indent}${root.name}${root.error === undefined ? "" : " !"}`, ...below].join("\n");
  }

  /** Ends all connections, and takes no more. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }

  #receive(
    bytes: Uint8Array,
    isJson: boolean,
    headers: Record<string, string | string[] | undefined>,
  ): { kind: "ok" | "refuse"; http: number; grpc: number; body: Buffer } | undefined {
    this.requests++;
    this.headers.push({ ...headers });
    const { behaviour } = this;
    if (behaviour.kind === "hang") return undefined;
    if (behaviour.kind === "refuse") return { ...behaviour, body: Buffer.alloc(0) };
    if (/metrics/i.test(this.paths.at(-1) ?? "")) this.points.push(...pointsOf(bytes));
    else this.spans.push(...(isJson ? spansOfJson(bytes) : spansOf(bytes)));
    const rejected = behaviour.kind === "partly" ? behaviour.rejected : 0;
    const partialSuccess = { rejectedSpans: BigInt(rejected), errorMessage: "too many" };
    const body = rejected === 0 ? new Uint8Array() : traceResponse.encode({ partialSuccess });
    return { kind: "ok", http: 200, grpc: 0, body: isJson ? Buffer.from("{}") : Buffer.from(body) };
  }
}

async function listen(server: Server | Http2Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

const kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"];

/** Decodes an ExportTraceServiceRequest. */
function spansOf(bytes: Uint8Array): ReceivedSpan[] {
  const spans: ReceivedSpan[] = [];
  for (const { resource, scopeSpans } of traceRequest.decode(bytes).resourceSpans) {
    for (const { spans: some, schemaUrl } of scopeSpans) {
      for (const span of some) {
        const { status } = span;
        spans.push({
          ...{ traceId: hex(span.traceId), spanId: hex(span.spanId) },
          ...{ parentId: hex(span.parentSpanId), traceState: span.traceState },
          ...{ name: span.name, kind: kinds[span.kind] ?? "" },
          attributes: attributesOf(span.attributes),
          events: span.events.map(({ name, attributes }) => ({
            ...{ name, attributes: attributesOf(attributes) },
          })),
          links: span.links.map(({ traceId, spanId }) => ({
            ...{ traceId: hex(traceId), spanId: hex(spanId) },
          })),
          error: status?.code === 2 ? status.message : undefined,
          resource: attributesOf(resource?.attributes ?? []),
          schemaUrl,
        });
      }
    }
  }
  return spans;
}

/** Decodes an ExportMetricsServiceRequest. */
function pointsOf(bytes: Uint8Array): ReceivedPoint[] {
  return metricsRequest.decode(bytes).resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics, schemaUrl }) =>
      metrics.flatMap(({ name, unit, gauge, sum, histogram }) => {
        const about = { name, unit, schemaUrl, resource: attributesOf(resource?.attributes ?? []) };
        const kind = gauge === undefined ? "sum" : "gauge";
        const numbers = (gauge ?? sum)?.dataPoints ?? [];
        return [
          ...numbers.map(({ attributes, asDouble, asInt }) => ({
            ...({ ...about, kind, count: 1, attributes: attributesOf(attributes) } as const),
            value: asDouble ?? Number(asInt ?? 0),
          })),
          ...(histogram?.dataPoints ?? []).map(({ attributes, count, sum }) => ({
            ...({ ...about, kind: "histogram", attributes: attributesOf(attributes) } as const),
            ...{ count: Number(count), value: sum ?? 0 },
          })),
        ];
      }),
    ),
  );
}

type JsonAttribute = { key: string; value: Record<string, string | number | boolean> };
type JsonSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly JsonAttribute[];
  readonly status: { readonly code?: number; readonly message?: string };
};
type JsonRequest = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly JsonAttribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly JsonSpan[];
      readonly schemaUrl?: string;
    }[];
  }[];
};

/** The same of OTLP's JSON. */
function spansOfJson(bytes: Uint8Array): ReceivedSpan[] {
  const { resourceSpans } = JSON.parse(Buffer.from(bytes).toString()) as JsonRequest;
  const of = (attributes: readonly JsonAttribute[]): Attributes =>
    Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0] ?? ""]));
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans, schemaUrl = "" }) =>
      spans.map(({ traceId, spanId, parentSpanId = "", name, kind, attributes, status }) => ({
        ...{ traceId, spanId, parentId: parentSpanId, traceState: "", name, schemaUrl },
        ...{ kind: kinds[kind] ?? "", attributes: of(attributes), events: [], links: [] },
        error: status.code === 2 ? (status.message ?? "") : undefined,
        resource: of(resource.attributes),
      })),
    ),
  );
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function attributesOf(attributes: readonly KeyValue[]): Attributes {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const { stringValue, boolValue, intValue, doubleValue } = value ?? {};
      const number = intValue === undefined ? doubleValue : Number(intValue);
      return [key, stringValue ?? boolValue ?? number ?? ""];
    }),
  );
}
