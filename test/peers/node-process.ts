// A client and a server of gRPC on bare node:http2, for messages that are plain bytes. Lines of JSON on standard input say
// what to do.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http2, {
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { gunzipSync, gzipSync } from "node:zlib";
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

const settings = { initialWindowSize: 4 * 1024 * 1024, enablePush: false };
const options = { maxSessionMemory: 1024, settings };

function frame(message: Uint8Array, gzip = false): Buffer {
  const bytes = gzip ? gzipSync(message) : message;
  const prefix = Buffer.alloc(5);
  prefix[0] = gzip ? 1 : 0;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** The messages of a body. */
async function* unframe(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let held = 0;
  let wanted = 5;
  for await (const part of body) {
    parts.push(part);
    held += part.length;
    if (held < wanted) continue;
    let bytes = Buffer.concat(parts);
    for (; bytes.length >= 5; bytes = bytes.subarray(wanted)) {
      wanted = 5 + bytes.readUInt32BE(1);
      if (bytes.length < wanted) break;
      const message = bytes.subarray(5, wanted);
      yield bytes[0] === 1 ? gunzipSync(message) : message;
    }
    if (bytes.length < 5) wanted = 5;
    parts = [bytes];
    held = bytes.length;
  }
  if (held > 0) throw new Error("the body ends within a message");
}

async function write(
  stream: { write(chunk: Uint8Array): boolean } & NodeJS.EventEmitter,
  chunk: Uint8Array,
): Promise<void> {
  if (!stream.write(chunk)) await Promise.race([once(stream, "drain"), once(stream, "close")]);
}

const holds = new Holds();

function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const some = (prefix: string): OutgoingHttpHeaders =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(prefix)));
  const status: OutgoingHttpHeaders = { ...some("trail-"), "grpc-status": "0" };
  const what = headers["do"];
  const finish = (last: Buffer = Buffer.alloc(0)): void => {
    const end = (): void => void (stream.destroyed || stream.end(last));
    if (what === "hold") return holds.add(end, (cancelled) => stream.on("close", cancelled));
    if (what === "fail") {
      status["grpc-status"] = "9";
      status["grpc-message"] = encodeURIComponent("not now: grüße, 100 %");
      status["grpc-status-details-bin"] = headers["details-bin"];
    }
    end();
  };
  stream.on("error", () => {});
  stream.on("wantTrailers", () => stream.sendTrailers(status));
  const method = String(headers[":path"]).split("/")[2];
  const first = { ":status": 200, "content-type": "application/grpc", ...some("echo-") };
  const methods: Record<string, () => Promise<void>> = {
    async Unary() {
      let message: Buffer = Buffer.alloc(0);
      for await (const received of unframe(stream)) message = received;
      finish(what === "fail" ? undefined : frame(message));
    },
    async Expand() {
      for await (const _ of unframe(stream));
      const message = frame(Buffer.alloc(Number(headers["size"] ?? 0), "a"));
      for (let left = Number(headers["count"] ?? 1); left > 0; left--) await write(stream, message);
      finish();
    },
    async Collect() {
      let count = 0;
      let bytes = 0;
      for await (const message of unframe(stream)) {
        count++;
        bytes += message.length;
      }
      stream.end(frame(Buffer.from(`${count} ${bytes}`)));
    },
    async Chat() {
      for await (const message of unframe(stream)) await write(stream, frame(message));
      stream.end();
    },
    async OnBindingEvent() {
      for await (const message of unframe(stream))
        say({ event: "delivered", data: message.toString("base64") });
      stream.end(frame(Buffer.alloc(0)));
    },
    async ListInputBindings() {
      for await (const _ of unframe(stream));
      stream.end(frame(Buffer.from("\n\u0004tick")));
    },
  };
  const run = methods[method ?? ""];
  if (run === undefined) {
    stream.respond({ ...first, "grpc-status": "12" }, { endStream: true });
    return;
  }
  stream.respond(first, { waitForTrailers: true });
  run().catch(() => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
}

async function serve(port: string, [cert, key]: readonly string[]): Promise<void> {
  const server =
    cert === undefined || key === undefined
      ? http2.createServer(options)
      : http2.createSecureServer({ ...options, cert: readFileSync(cert), key: readFileSync(key) });
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    session.setLocalWindowSize(16 * 1024 * 1024);
    session.on("error", () => {});
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", answer);
  server.listen(Number(port), "127.0.0.1");
  await once(server, "listening");
  say({ event: "listening" });
  onAsked(({ op }) => {
    if (op === "release") return holds.release();
    server.close(() => {
      say({ event: "closed" });
      process.exit(0);
    });
    for (const session of sessions) session.close();
  });
}

function toEntries(headers: IncomingHttpHeaders): Entries {
  const plain = Object.entries(headers).filter(([name]) => !name.startsWith(":"));
  return plain.flatMap(([name, value = []]) =>
    [value]
      .flat()
      .flatMap((one) => one.split(/, ?/))
      .map((one): [string, string] => [
        name,
        name.endsWith("-bin") ? Buffer.from(one, "base64").toString("base64") : one,
      ]),
  );
}

async function run(session: ClientHttp2Session, asked: Asked): Promise<Told> {
  const headers: Record<string, string | string[]> = {
    ...{ ":method": "POST", ":path": pathOf(asked), "content-type": "application/grpc" },
    ...{ te: "trailers", "grpc-accept-encoding": "gzip" },
  };
  for (const [name, value] of asked.metadata ?? [])
    headers[name] = [...[headers[name] ?? []].flat(), value];
  if (asked.timeout !== undefined) headers["grpc-timeout"] = `${asked.timeout}m`;
  if (asked.gzip === true) headers["grpc-encoding"] = "gzip";
  const messages = requestsOf(asked);
  const outcome = new Outcome(messages);
  const stream = session.request(headers);
  let first: IncomingHttpHeaders = {};
  let last: IncomingHttpHeaders = {};
  stream.on("response", (received) => (first = received));
  stream.on("trailers", (received) => (last = received));
  let isCancelled = false;
  const cancel = (): void => {
    isCancelled = true;
    stream.close(http2.constants.NGHTTP2_CANCEL);
  };
  const sent = asked.op === "chat" || asked.op === "collect" ? messages : messages.slice(0, 1);
  const sending = (async () => {
    for (const message of sent) await write(stream, frame(message, asked.gzip));
    stream.end();
  })();
  sending.catch(() => {});
  try {
    for await (const message of unframe(stream)) {
      outcome.take(message);
      if (outcome.told.count === asked.cancelAfter) cancel();
    }
  } catch (error) {
    if (!isCancelled) return { ...outcome.told, code: 14, text: String(error) };
  }
  if (isCancelled) return { ...outcome.told, code: 1, text: "cancelled here" };
  const all = { ...first, ...last };
  const details = all["grpc-status-details-bin"];
  return {
    ...outcome.told,
    ...{ code: Number(all["grpc-status"] ?? 2) },
    text: decodeURIComponent(String(all["grpc-message"] ?? "")),
    ...(typeof details === "string" && {
      details: Buffer.from(details, "base64").toString("base64"),
    }),
    ...{ headers: toEntries(first), trailers: toEntries(last) },
  };
}

function call(address: string, [ca]: readonly string[]): void {
  const pause = Number(process.env["KEEPALIVE_MS"]);
  const scheme = ca === undefined ? "http" : "https";
  let current: ClientHttp2Session | undefined;
  const connect = (): ClientHttp2Session => {
    const secure = ca === undefined ? {} : { ca: readFileSync(ca), servername: "localhost" };
    const session = http2.connect(`${scheme}://${address}`, { ...options, ...secure });
    const left = (): void => {
      if (current === session) current = undefined;
    };
    for (const event of ["goaway", "close", "error"]) session.on(event, left);
    session.on("connect", () => session.setLocalWindowSize(16 * 1024 * 1024));
    if (pause > 0) {
      const timer = setInterval(() => session.ping(() => {}), pause);
      session.on("close", () => clearInterval(timer));
    }
    return session;
  };
  answerAsked((asked) => run((current ??= connect()), asked));
}

const [, , what = "", where = "", ...files] = process.argv;
if (what === "server") await serve(where, files);
else call(where, files);
