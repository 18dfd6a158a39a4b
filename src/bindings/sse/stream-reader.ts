import { STATUS_CODES } from "node:http";
import { orAborted } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading } from "../../binding.ts";
import { delay } from "../../delay.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { BackOff } from "../../feed/back-off.ts";
import { feedKey, Progress } from "../../feed/progress.ts";
import { describeAddress, parseOrigins } from "../../http-client/address.ts";
import type { HttpClient } from "../../http-client/client.ts";
import { connectionText } from "../../http-client/connection-text.ts";
import { setHeader, userAgent } from "../../http-client/headers.ts";
import type { RequestHeaders } from "../../http-client/headers.ts";
import { failureOfStatus, retryAfterOf } from "../../http-client/status.ts";
import type { Streamed } from "../../http-client/streamed.ts";
import { IncomingMessage } from "../../memory/incoming-message.ts";
import { formatByteSize } from "../../metadata/byte-size.ts";
import { formatDuration, longestTimer } from "../../metadata/duration.ts";
import { EventParser, type StreamBlock } from "./event-parser.ts";
import type { sseFields, SseMetadata } from "./fields.ts";

/** Before a reconnection, in milliseconds, whatever the server says. */
const shortestPause = 100;
const longestPause = 3_600_000;

/** Begins to read the component's stream. */
export async function startStream(
  client: HttpClient,
  reading: Reading<typeof sseFields>,
): Promise<Reader> {
  const { origin, path } = client.home;
  const checkpoint = await reading.checkpoints.open("", `${origin}${path}`);
  return new StreamReader(client, reading, new Progress(checkpoint));
}

/** Reads one connection after another, each from behind the last event that came. */
class StreamReader implements Reader {
  readonly #client: HttpClient;
  readonly #reading: Reading<typeof sseFields>;
  readonly #progress: Progress;
  readonly #origins: ReadonlySet<string>;
  readonly #types: ReadonlySet<string> | undefined;
  readonly #stopping = new AbortController();
  /** Of the present connection. */
  #ending: AbortController | undefined;
  readonly #backOff = new BackOff();
  readonly #source: string;
  /** The empty text: there is none. */
  #lastId: string;
  /** How many events in a row had the last id. */
  #ofLastId = 0;
  #pause: number;
  #inTrouble = false;
  /** An event was too large. A new connection alone is no way past it. */
  #isStuck = false;
  #toldOfIds = false;

  constructor(client: HttpClient, reading: Reading<typeof sseFields>, progress: Progress) {
    this.#client = client;
    this.#reading = reading;
    this.#progress = progress;
    const { allowOrigins, eventTypes, reconnectDelay } = reading.metadata;
    this.#pause = boundedPause(reconnectDelay);
    this.#origins = parseOrigins(allowOrigins);
    this.#types = eventTypes === undefined ? undefined : new Set(eventTypes);
    this.#lastId = progress.at ?? firstId(reading.metadata);
    this.#source = describeAddress(client.home);
    void this.#run();
  }

  stop(): void {
    this.#stopping.abort();
    this.#ending?.abort();
  }

  flush(): Promise<void> {
    return this.#progress.flush();
  }

  close(): void {
    this.stop();
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        if ((await this.#connection()) === "over") return;
        if (!this.#isStopped) await delay(this.#pause, this.#stopping.signal);
      } catch (error) {
        if (!this.#isStopped) await this.#pauseAfter(BindingError.from(error));
      }
    }
  }

  async #pauseAfter({ message: said, retryAfter }: BindingError): Promise<void> {
    const { logger, report } = this.#reading;
    const message = said === "EOF" ? "the server closed the connection" : said;
    const pause = Math.round(this.#backOff.next(retryAfter, this.#pause));
    const shown = formatDuration(pause);
    const time = new Date(Date.now() + pause).toISOString();
    report?.(`${message}; it is connected again at ${time}, after ${shown}`, true);
    if (!this.#inTrouble)
      logger.warn(
        { reason: message, pause: shown },
        "the stream is interrupted; it is connected again",
      );
    this.#inTrouble = true;
    await delay(pause, this.#stopping.signal);
  }

  /** One connection, to its end. `over`: the server says that nothing more comes. */
  async #connection(): Promise<"ended" | "over"> {
    const streamed = await this.#connect();
    try {
      if (streamed.status === 204) {
        this.#reading.report?.("the server says that no more events come (204)", true);
        return "over";
      }
      checkHead(streamed);
      await this.#readStream(streamed);
      return "ended";
    } finally {
      streamed.discard();
    }
  }

  async #connect(): Promise<Streamed> {
    const { home } = this.#client;
    const request = {
      ...{ method: "GET", address: home, headers: this.#headers(), body: undefined },
      ...{ maxBody: Number.POSITIVE_INFINITY, origins: this.#origins },
    };
    const { idleTimeout } = this.#reading.metadata;
    const ending = new AbortController();
    this.#ending = ending;
    const late = (): void => {
      const text = `no answer within ${formatDuration(idleTimeout)} (idleTimeout)`;
      ending.abort(new BindingError("deadline_exceeded", text));
    };
    const timer =
      idleTimeout > 0 ? setTimeout(late, Math.min(idleTimeout, longestTimer)) : undefined;
    try {
      return await this.#client.stream(request, ending.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #headers(): RequestHeaders {
    const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
    const { authorization } = this.#client.home;
    if (authorization !== undefined) setHeader(headers, "Authorization", authorization);
    for (const [name, value] of this.#reading.metadata.headers) setHeader(headers, name, value);
    setHeader(headers, "Accept", "text/event-stream");
    setHeader(headers, "Accept-Encoding", "identity");
    setHeader(headers, "Cache-Control", "no-store");
    if (this.#lastId !== "") setHeader(headers, "Last-Event-ID", this.#lastId);
    return headers;
  }

  async #readStream({ body }: Streamed): Promise<void> {
    const { memory, metadata } = this.#reading;
    const parser = new EventParser();
    const incoming = new IncomingMessage(memory);
    const parts = body[Symbol.asyncIterator]();
    try {
      for (let isFirst = true; ; isFirst = false) {
        const part = await this.#next(parts);
        if (this.#isStopped) return;
        if (part === undefined) {
          if (isFirst) throw unavailable("the server ended the stream before it sent anything");
          return;
        }
        if (isFirst && !this.#isStuck) this.#works();
        const blocks = parser.push(part);
        const refusal = incoming.holds(parser.held);
        if (refusal !== undefined) throw new BindingError("resource_exhausted", refusal);
        await this.#take(blocks);
        if (parser.held > metadata.maxEventSize) throw this.#tooLarge();
        if (this.#isStopped) return;
      }
    } finally {
      incoming.release();
    }
  }

  /** The next part; `undefined`: the stream is at its end. Rejects when nothing comes for too long. */
  async #next(parts: AsyncIterator<Buffer>): Promise<Buffer | undefined> {
    const { idleTimeout } = this.#reading.metadata;
    let timer: NodeJS.Timeout | undefined;
    const idle = new Promise<never>((_resolve, reject) => {
      if (idleTimeout <= 0) return;
      const text = `nothing has come for ${formatDuration(idleTimeout)} (idleTimeout)`;
      timer = setTimeout(() => reject(unavailable(text)), Math.min(idleTimeout, longestTimer));
    });
    try {
      const next = await Promise.race([parts.next(), idle]);
      return next.done === true ? undefined : next.value;
    } catch (error) {
      if (error instanceof BindingError) throw error;
      throw unavailable(error instanceof Error ? connectionText(error) : messageOf(error));
    } finally {
      clearTimeout(timer);
    }
  }

  #works(): void {
    if (this.#inTrouble) this.#reading.logger.info({}, "the stream is connected again");
    this.#inTrouble = false;
    this.#backOff.reset();
    this.#reading.report?.("", false);
  }

  /** Hands the events over, and resolves when there is room for more. */
  async #take(blocks: readonly StreamBlock[]): Promise<void> {
    const events: InboundEvent[] = [];
    let refusal: BindingError | undefined;
    for (const block of blocks) {
      if (block.retry !== undefined) this.#pause = boundedPause(block.retry);
      if ((block.data?.length ?? 0) > this.#reading.metadata.maxEventSize) {
        // Those before it have been taken, and the server is not asked for them again.
        refusal = this.#tooLarge();
        break;
      }
      const event = this.#eventOf(block);
      if (event !== undefined) events.push(event);
    }
    if (events.length > 0) {
      if (this.#isStuck && refusal === undefined) {
        this.#isStuck = false;
        this.#works();
      }
      await orAborted(this.#reading.deliver(events), this.#stopping.signal);
    }
    if (refusal !== undefined) throw refusal;
    await orAborted(this.#progress.hasRoom(), this.#stopping.signal);
  }

  #eventOf({ data, type, id }: StreamBlock): InboundEvent | undefined {
    const isWanted = data !== undefined && (this.#types?.has(type) ?? true);
    if (id !== undefined) {
      this.#ofLastId = id === this.#lastId ? this.#ofLastId + 1 : 0;
      this.#lastId = id;
    }
    // Without an id of its own it can neither be asked for again nor recognised.
    const isTracked = id !== undefined && id !== "";
    const item =
      isTracked && isWanted ? this.#progress.take(feedKey(id, String(this.#ofLastId))) : undefined;
    if (id !== undefined) this.#progress.mark(id);
    if (!isWanted || (isTracked && item === undefined)) return undefined;
    if (!isTracked) this.#tellOfIds();
    const { inOrder } = this.#reading.metadata;
    return {
      data,
      metadata: {
        ...{ eventType: type, url: this.#source },
        ...(this.#lastId === "" ? {} : { lastEventId: this.#lastId }),
      },
      headers: [],
      id: isTracked && this.#ofLastId === 0 ? id : undefined,
      key: inOrder ? "stream" : undefined,
      settle: ({ outcome }) => {
        if (item === undefined) return;
        if (outcome === "handled") this.#progress.handled(item);
        else this.#progress.returned(item);
      },
    };
  }

  #tellOfIds(): void {
    if (this.#toldOfIds) return;
    this.#toldOfIds = true;
    this.#reading.notice(
      "the server sends events without ids: those that it sends while the connection is away, and those not handled at the end of the process, are lost",
    );
  }

  #tooLarge(): BindingError {
    this.#isStuck = true;
    const limit = formatByteSize(this.#reading.metadata.maxEventSize);
    const text = `the server sent an event of more than ${limit} (maxEventSize)`;
    return new BindingError("resource_exhausted", text);
  }
}

/** Throws a `BindingError` for what is no event stream. */
function checkHead({ status, headers }: Streamed): void {
  if (status !== 200) {
    const { reason, effect } = failureOfStatus(status);
    const text = `received status code ${status} ${STATUS_CODES[status] ?? ""}`.trim();
    const retryAfter = retryAfterOf(headers["retry-after"]);
    throw new BindingError(reason, text, { effect, systemCode: String(status), retryAfter });
  }
  const type = headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type === "text/event-stream") return;
  const what =
    type === undefined ? "has no content type" : `is ${JSON.stringify(type.slice(0, 100))}`;
  throw new BindingError("failed_precondition", `the answer ${what}, not text/event-stream`);
}

/** What is sent before an event was handled; the empty text: nothing. */
function firstId({ lastEventId, startFrom }: SseMetadata): string {
  return lastEventId ?? (startFrom === "oldest" ? "0" : "");
}

function boundedPause(milliseconds: number): number {
  return Math.min(Math.max(milliseconds, shortestPause), longestPause);
}

function unavailable(text: string): BindingError {
  return new BindingError("unavailable", text);
}
