import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { validateHeaderValue } from "node:http";
import type { Answer } from "../answer.ts";
import { longestTimer } from "../metadata/duration.ts";
import type { Header } from "../reading.ts";

/** What a sender is told to wait, in milliseconds, where nothing better is known. */
const defaultRetryAfter = 5_000;
/** How long the rest of a refused body is read and thrown away, so that the sender sees the answer. Milliseconds. */
const lingering = 2_000;

/** The content type of replies: of each, whatever the app says, and of those that have none. */
export type ReplyTypes = { readonly wanted?: string | undefined; readonly fallback: string };

/** One request and its one answer: the first counts, later ones are ignored. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly receivedAt = new Date();
  body: Uint8Array = new Uint8Array();
  /** Bytes of the body that are held for it while the app does not have it. */
  held = 0;
  /** The app has it, or will. */
  delivered = false;
  /** Aborted when the answer is out or the sender has gone: an event that is still unhandled is the sender's again. */
  readonly revoked = new AbortController();
  /** Called once, when the answer is out or the sender has gone. */
  onClosed: () => void = () => undefined;
  /** Resolves when the answer is out or the sender has gone. */
  readonly closed: Promise<void>;
  readonly #response: ServerResponse;
  #timer: NodeJS.Timeout | undefined;
  #answered = false;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.#response = response;
    this.closed = new Promise((resolve) => {
      response.once("close", () => {
        clearTimeout(this.#timer);
        this.onClosed();
        resolve();
      });
    });
  }

  get headers(): IncomingHttpHeaders {
    return this.request.headers;
  }

  /** All of them with lower-case names, repeats kept. */
  allHeaders(): Header[] {
    const { rawHeaders } = this.request;
    const headers: Header[] = [];
    // Node gives names and values in turns, and each byte of a value as one character.
    for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
      const name = (rawHeaders[index] ?? "").toLowerCase();
      headers.push({ name, value: Buffer.from(rawHeaders[index + 1] ?? "", "latin1") });
    }
    return headers;
  }

  get query(): string {
    const url = this.request.url ?? "";
    const start = url.indexOf("?");
    return start === -1 ? "" : url.slice(start + 1);
  }

  get answered(): boolean {
    return this.#answered;
  }

  /** The sender has hung up. */
  get gone(): boolean {
    return this.#response.destroyed;
  }

  /** Asks the sender to come again unless there is an answer within the milliseconds. */
  expectAnswer(timeout: number): void {
    this.#timer = setTimeout(() => this.unavailable(), Math.min(timeout, longestTimer));
  }

  /** Answers with the app's reply: 200, or 204 when it has no data. */
  reply(
    reply: (Answer & { contentType?: string | undefined }) | undefined,
    { wanted, fallback }: ReplyTypes,
  ): void {
    const { data } = reply ?? {};
    if (data === undefined || data.length === 0) return this.#answer(204, {});
    const type = wanted || reply?.contentType || fallback;
    this.#answer(200, { "content-type": isHeaderValue(type) ? type : fallback }, data);
  }

  /** Answers 200. */
  done(headers: Readonly<Record<string, string>> = {}, body: Uint8Array = new Uint8Array()): void {
    this.#answer(200, headers, body);
  }

  /** Tells the sender that it need not come again, though the app has not handled its event: 202. */
  accepted(movedTo: "dead letters" | { readonly output: string }): void {
    const outcome =
      movedTo === "dead letters" ? "dead_letter" : `output:${encodeURIComponent(movedTo.output)}`;
    this.#answer(202, { "cufflink-outcome": outcome }, new Uint8Array());
  }

  /** Asks the sender to come again after the milliseconds. */
  unavailable(after: number = defaultRetryAfter): void {
    const seconds = Math.max(1, Math.ceil(after / 1000));
    this.refuse(503, "not handled; please send it again", { "retry-after": String(seconds) });
  }

  refuse(status: number, text: string, headers: Record<string, string> = {}): void {
    const type = { "content-type": "text/plain; charset=utf-8" };
    this.#answer(status, { ...type, ...headers }, Buffer.from(`${text}\n`));
  }

  #answer(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array): void {
    if (this.#answered) return;
    this.#answered = true;
    clearTimeout(this.#timer);
    if (this.gone) return;
    const length = body === undefined ? {} : { "content-length": String(body.length) };
    this.#response.writeHead(status, { ...headers, ...length });
    this.#response.end(body);
    if (!this.request.complete) this.#linger();
  }

  /** Reads on for a while: a connection closed over unread bytes would take the answer with it. */
  #linger(): void {
    const { request } = this;
    request.resume();
    const timer = setTimeout(() => request.socket.destroy(), lingering);
    request.once("close", () => clearTimeout(timer));
  }
}

function isHeaderValue(text: string): boolean {
  try {
    validateHeaderValue("content-type", text);
    return true;
  } catch {
    return false;
  }
}
