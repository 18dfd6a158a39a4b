import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { expect } from "vitest";
import http from "../../../src/bindings/http/index.ts";
import { reservePort } from "../../servers/ports.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { endAfterTest, type RestartableServer, type Source } from "../contract.ts";

type Kept = { readonly data: Uint8Array; readonly headers: Readonly<Record<string, string>> };

/** A feed whose pages are the events, byte for byte; a header has the cursor of the next one. */
export class PagedFeed implements RestartableServer {
  readonly #events: Kept[] = [];
  readonly #port: number;
  #server: ReturnType<typeof createServer> | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(): Promise<PagedFeed> {
    const feed = new PagedFeed(await reservePort());
    await feed.#listen();
    endAfterTest(() => feed.#close());
    return feed;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/feed`;
  }

  add(data: Uint8Array, headers: Readonly<Record<string, string>> = {}): void {
    this.#events.push({ data, headers });
  }

  async restart(): Promise<void> {
    await this.#close();
    await this.#listen();
  }

  async #listen(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
  }

  async #close(): Promise<void> {
    const server = this.#server;
    const closed = new Promise((resolve) => server?.close(resolve));
    server?.closeAllConnections();
    await closed;
  }

  #answer({ url }: IncomingMessage, response: ServerResponse): void {
    const after = Number(new URL(url ?? "", this.url).searchParams.get("after") ?? "0");
    const event = this.#events[after];
    if (event === undefined) return void response.writeHead(204).end();
    const next = { "x-next": String(after + 1), "content-type": "application/octet-stream" };
    response.writeHead(200, { ...next, ...event.headers }).end(event.data);
  }
}

/** `made`: told the feed of each place. */
export function httpSource(made: (feed: PagedFeed) => void = () => undefined): Source {
  return {
    binding: http,
    largest: 2 ** 20,
    async place() {
      const own = await PagedFeed.start();
      made(own);
      return {
        store: new MemoryStore(),
        properties: {
          ...{ url: own.url, interval: "20ms", cursorHeader: "X-Next", cursorParameter: "after" },
        },
        send: async (data) => own.add(data),
        async sendMarked() {
          own.add(Buffer.from("x"), {
            "content-type": "text/x",
            "x-mark": "gr\u00fcn",
            etag: '"1"',
          });
          return ({ metadata, headers }) => {
            const { contentType, etag, url } = metadata;
            expect({ contentType, etag, url }).toEqual({
              contentType: "text/x",
              etag: '"1"',
              url: own.url,
            });
            const mark = headers.find(({ name }) => name === "x-mark")?.value;
            expect(Buffer.from(mark ?? [])).toEqual(Buffer.from("grün", "latin1"));
          };
        },
      };
    },
  };
}
