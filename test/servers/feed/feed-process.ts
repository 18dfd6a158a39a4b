// A server of events by HTTP, as the tests of faults need one: `feed-process.ts PORT FOLDER`.
//
// POST /feeds/NAME appends an event, and is answered once it is on disk. GET /feeds/NAME?after=N is a page of those behind N,
// with the cursor of the next; with `Accept: text/event-stream` the same as a stream. A WebSocket to the path gets each new one.
// PUT /passwords/NAME sets what readers of the feed must show as `Authorization`.
import { appendFileSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { WebSocketServer, type WebSocket } from "ws";

const [port = "", folder = ""] = process.argv.slice(2);
const pageSize = 50;
const heartbeat = 500;

class Feed {
  readonly events: string[];
  readonly streams = new Set<ServerResponse>();
  readonly sockets = new Set<WebSocket>();
  readonly #file: number;
  readonly #passwordFile: string;

  constructor(name: string) {
    const path = join(folder, name);
    this.#file = openSync(path, "a+");
    // What a kill cut off was not answered.
    this.events = readFileSync(path, "utf8").split("\n").slice(0, -1);
    this.#passwordFile = `${path}.password`;
    appendFileSync(this.#passwordFile, "");
  }

  get password(): string {
    return readFileSync(this.#passwordFile, "utf8").split("\n").at(-1) ?? "";
  }

  set password(password: string) {
    appendFileSync(this.#passwordFile, `\n${password}`);
    for (const stream of this.streams) stream.destroy();
    for (const socket of this.sockets) socket.close(1008);
  }

  append(event: string): void {
    writeSync(this.#file, `${event}\n`);
    fsyncSync(this.#file);
    this.events.push(event);
    for (const stream of this.streams) stream.write(encode(event, this.events.length));
    for (const socket of this.sockets) socket.send(event);
  }
}

const feeds = new Map<string, Feed>();
mkdirSync(folder, { recursive: true });

function feedOf(url: URL): Feed {
  const name =
    url.pathname
      .split("/")
      .at(-1)
      ?.replaceAll(/[^\w-]/g, "") || "feed";
  let feed = feeds.get(name);
  if (feed === undefined) feeds.set(name, (feed = new Feed(name)));
  return feed;
}

function encode(event: string, id: number): string {
  return `id: ${id}\ndata: ${event}\n\n`;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "", "http://x");
  const feed = feedOf(url);
  const { method, headers } = request;
  if (method === "POST" || method === "PUT") {
    const body = await text(request);
    if (method === "POST") feed.append(body);
    else feed.password = body;
    return void response.writeHead(204).end();
  }
  if (feed.password !== "" && headers.authorization !== feed.password)
    return void response.writeHead(401).end();
  const after = Number(headers["last-event-id"] ?? url.searchParams.get("after") ?? "0");
  if (headers.accept === "text/event-stream") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("retry: 200\n\n");
    for (let n = after; n < feed.events.length; n++)
      response.write(encode(feed.events[n] ?? "", n + 1));
    feed.streams.add(response);
    const beating = setInterval(() => response.write(":\n"), heartbeat);
    response.on("close", () => {
      feed.streams.delete(response);
      clearInterval(beating);
    });
    return;
  }
  const events = feed.events.slice(after, after + pageSize);
  response.setHeader("content-type", "application/json");
  response.end(`{"events":[${events.join(",")}],"next":${after + events.length}}`);
}

const sockets = new WebSocketServer({ noServer: true });
const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.on("upgrade", (request, socket, head) => {
  const feed = feedOf(new URL(request.url ?? "", "http://x"));
  socket.on("error", () => undefined);
  if (feed.password !== "" && request.headers.authorization !== feed.password)
    return void socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
  sockets.handleUpgrade(request, socket, head, (client) => {
    client.on("error", () => undefined);
    client.on("close", () => feed.sockets.delete(client));
    feed.sockets.add(client);
  });
});
server.listen(Number(port), "127.0.0.1");
