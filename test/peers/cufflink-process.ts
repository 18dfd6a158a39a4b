// Our own client and server for messages that are plain bytes. Lines of JSON on standard input say what to do.
import { readFileSync } from "node:fs";
import { GrpcClient, type GrpcCallOptions } from "../../src/grpc/client.ts";
import { CallFailure } from "../../src/grpc/client-status.ts";
import type { CallContext, GrpcMethod } from "../../src/grpc/method.ts";
import {
  decodeBinaryHeader,
  encodeBinaryHeader,
  GrpcFailure,
  type ResponseHeaders,
} from "../../src/grpc/status.ts";
import {
  answerAsked,
  type Asked,
  type Entries,
  Outcome,
  pathOf,
  requestsOf,
  type Told,
} from "./asked.ts";
import { Holds, onAsked, say } from "./said.ts";
import { serveMethods } from "./serve-methods.ts";

const holds = new Holds();

function some({ head }: CallContext, prefix: string): ResponseHeaders {
  const headers = head.record;
  const names = Object.keys(headers).filter((name) => name.startsWith(prefix));
  return Object.fromEntries(
    names.map((name) => [name, [headers[name] ?? ""].flat().flatMap((one) => one.split(", "))]),
  );
}

function begin(context: CallContext): void {
  context.setHeaders(some(context, "echo-"));
  context.setTrailers(some(context, "trail-"));
}

function number({ head }: CallContext, name: string, otherwise: number): number {
  return Number(head.get(name) ?? otherwise);
}

function checkFailure({ head }: CallContext): void {
  if (head.get("do") !== "fail") return;
  const details = decodeBinaryHeader(head.get("details-bin") ?? "");
  throw new GrpcFailure(9, "not now: grüße, 100 %", details);
}

/** Until it is released; rejects when the call is over before. */
async function checkHold({ head, signal }: CallContext): Promise<void> {
  if (head.get("do") !== "hold") return;
  await new Promise<void>((resolve, reject) => {
    holds.add(resolve, (cancelled) =>
      signal.addEventListener("abort", () => {
        cancelled();
        reject(new GrpcFailure(1, "cancelled"));
      }),
    );
  });
}

const methods: Readonly<Record<string, GrpcMethod>> = {
  "/cufflink.peers.Peer/Unary": {
    kind: "unary",
    async handle(message, context) {
      begin(context);
      checkFailure(context);
      await checkHold(context);
      return message;
    },
  },
  "/cufflink.peers.Peer/Expand": {
    kind: "stream",
    async *handle(requests, context) {
      for await (const _ of requests);
      begin(context);
      const message = Buffer.alloc(number(context, "size", 0), "a");
      for (let left = number(context, "count", 1); left > 0; left--) yield message;
      checkFailure(context);
      await checkHold(context);
    },
  },
  "/cufflink.peers.Peer/Collect": {
    kind: "stream",
    async *handle(requests, context) {
      begin(context);
      let count = 0;
      let bytes = 0;
      for await (const message of requests) {
        count++;
        bytes += message.length;
      }
      yield Buffer.from(`${count} ${bytes}`);
    },
  },
  "/cufflink.peers.Peer/Chat": {
    kind: "stream",
    async *handle(requests, context) {
      begin(context);
      yield* requests;
    },
  },
};

async function serve(port: string, [cert, key]: readonly string[]): Promise<void> {
  const tls =
    cert === undefined || key === undefined
      ? undefined
      : { cert: readFileSync(cert), key: readFileSync(key) };
  const server = await serveMethods(new Map(Object.entries(methods)), Number(port), tls);
  say({ event: "listening" });
  onAsked(({ op }) => {
    if (op === "release") return holds.release();
    void server.close().then(() => {
      say({ event: "closed" });
      process.exit(0);
    });
  });
}

function toEntries(headers: Readonly<Record<string, string | string[] | undefined>>): Entries {
  const plain = Object.entries(headers).filter(([name]) => !name.startsWith(":"));
  return plain.flatMap(([name, value = []]) =>
    [value]
      .flat()
      .flatMap((one) => one.split(/, ?/))
      .map(
        (one) =>
          [
            name,
            name.endsWith("-bin") ? Buffer.from(one, "base64").toString("base64") : one,
          ] as const,
      ),
  );
}

function toHeaders(entries: Entries = []): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const [name, value] of entries) {
    const sent = name.endsWith("-bin") ? encodeBinaryHeader(Buffer.from(value, "base64")) : value;
    (headers[name] ??= []).push(sent);
  }
  return headers;
}

function failed({
  code,
  message,
  details,
  headers,
  trailers,
}: CallFailure): Partial<Told> & Pick<Told, "code" | "text"> {
  return {
    ...{ code, text: message },
    ...(details !== undefined && { details: Buffer.from(details).toString("base64") }),
    ...{ headers: toEntries(headers), trailers: toEntries(trailers) },
  };
}

async function run(client: GrpcClient, asked: Asked): Promise<Told> {
  const options: GrpcCallOptions = {
    headers: toHeaders(asked.metadata),
    ...{ timeout: asked.timeout, compress: asked.gzip, waitForConnection: true },
  };
  const messages = requestsOf(asked);
  const outcome = new Outcome(messages);
  const path = pathOf(asked);
  const [first = Buffer.alloc(0)] = messages;
  if (asked.op === "unary") {
    const result = await client.unary(path, first, options);
    if (result.kind === "failed") return { ...outcome.told, ...failed(result.failure) };
    if (result.kind !== "ok") return { ...outcome.told, code: result.code, text: result.reason };
    outcome.take(result.message);
    const { headers, trailers } = result;
    const entries = { headers: toEntries(headers), trailers: toEntries(trailers) };
    return { code: 0, text: "", ...outcome.told, ...entries };
  }
  const sent = asked.op === "expand" ? [first] : messages;
  const call = client.stream(
    path,
    (async function* () {
      yield* sent;
    })(),
    options,
  );
  try {
    for await (const message of call.messages) {
      outcome.take(message);
      if (outcome.told.count === asked.cancelAfter) call.cancel();
    }
    const entries = { headers: toEntries(await call.headers), trailers: toEntries(call.trailers) };
    return { code: 0, text: "", ...outcome.told, ...entries };
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    return { ...outcome.told, ...failed(error) };
  }
}

function call(address: string, [ca]: readonly string[]): void {
  const [host = "", port] = address.split(":");
  const pause = process.env["KEEPALIVE_MS"];
  const client = new GrpcClient({
    ...{ host: ca === undefined ? host : "localhost", port: Number(port) },
    ...(ca !== undefined && { tls: { verify: true, ca: readFileSync(ca, "utf8") } }),
    ...(pause !== undefined && { pingInterval: Number(pause) }),
  });
  answerAsked((asked) => run(client, asked));
}

const [, , what = "", where = "", ...files] = process.argv;
if (what === "server") await serve(where, files);
else call(where, files);
