import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { reservePort } from "../../servers/ports.ts";
import { endAfterTest, type RestartableServer } from "../contract.ts";

type Event = { readonly data: Uint8Array; readonly type?: string; readonly id?: string };

/** Serves an event stream, from behind the id that a client names. */
export class EventServer implements RestartableServer {
  /** What clients have sent, in order. */
  readonly requests: IncomingMessage["headers"][] = [];
  /** Answers in place of the stream, and says whether it has. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  readonly #events: Event[] = [];
  readonly #open = new Set<ServerResponse>();
  readonly #port: number;
  #server: ReturnType<typeof createServer> | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(): Promise<EventServer> {
    const server = new EventServer(await reservePort());
    await server.#listen();
    endAfterTest(() => server.stop());
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/events`;
  }

  /** How many clients are connected. */
  get connections(): number {
    return this.#open.size;
  }

  /** Sends an event to all, and keeps it; its id is its number unless another is given. */
  send(data: string | Uint8Array, more: { type?: string; id?: string } = {}): void {
    const event = { data: Buffer.from(data), id: String(this.#events.length + 1), ...more };
    this.#events.push(event);
    this.write(encode(event));
  }

  /** What was sent so far is not sent again. */
  forget(): void {
    this.#events.length = 0;
  }

  /** Writes to all, and keeps nothing. */
  write(bytes: string | Uint8Array): void {
    for (const response of this.#open) response.write(bytes);
  }

  /** Ends all connections, in order. */
  end(): void {
    for (const response of this.#open) response.end();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.#listen();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    const closed = new Promise((resolve) => server?.close(resolve));
    server?.closeAllConnections();
    await closed;
  }

  async #listen(): Promise<void> {
    const server = createServer((request, response) => {
      this.requests.push(request.headers);
      if (this.intercept(request, response)) return;
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
      if (request.method === "HEAD") return void response.end();
      const last = request.headers["last-event-id"];
      const from = last === undefined ? 0 : this.#events.findIndex(({ id }) => id === last) + 1;
      response.write("retry: 100\n: hello\n\n");
      for (const event of this.#events.slice(from)) response.write(encode(event));
      this.#open.add(response);
      response.on("close", () => this.#open.delete(response));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
  }
}

function encode({ data, type, id }: Event): Buffer {
  const head = `${id === undefined ? "" : `id: ${id}\n`}${type === undefined ? "" : `event: ${type}\n`}`;
  const parts: Buffer[] = [Buffer.from(head)];
  const whole = Buffer.from(data);
  for (let start = 0, end = 0; end >= 0; start = end + 1) {
    end = whole.indexOf(10, start);
    parts.push(
      Buffer.from("data: "),
      whole.subarray(start, end < 0 ? whole.length : end),
      Buffer.from("\n"),
    );
  }
  return Buffer.concat([...parts, Buffer.from("\n")]);
}
