import { orAborted } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading } from "../../binding.ts";
import { delay } from "../../delay.ts";
import { BindingError } from "../../errors.ts";
import { BackOff } from "../../feed/back-off.ts";
import { feedKey, Progress } from "../../feed/progress.ts";
import type { FeedItem } from "../../feed/progress.ts";
import { checkOrigin, type HttpClient } from "../../http-client/client.ts";
import { describe, type Answered } from "../../http-client/exchange.ts";
import { setHeader, userAgent } from "../../http-client/headers.ts";
import type { RequestHeaders } from "../../http-client/headers.ts";
import { describeAddress, parseOrigins, type Address } from "../../http-client/address.ts";
import { within } from "../../http-client/within.ts";
import { assuredBytes } from "../../memory/budget.ts";
import { formatDuration } from "../../metadata/duration.ts";
import { nextTimeOf, startInterval, startTicker, type NextTime } from "../../schedule/ticker.ts";
import type { httpFields } from "./fields.ts";
import { addressOf, readPage, tooLarge } from "./page.ts";
import type { InputMetadata, Page, PageItem } from "./page.ts";

const usualInterval = 60_000;
/** So much is handed over at once, before it is known that there is room. */
const batchEvents = 64;
const batchBytes = 256 * 1024;

/** What tells that an answer is the same as the last one. */
type Validators = {
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
};

/** Begins to ask the component's URL, by its schedule. */
export async function startPoller(
  client: HttpClient,
  reading: Reading<typeof httpFields>,
): Promise<Reader> {
  const { metadata, checkpoints } = reading;
  const checkpoint = await checkpoints.open("", fingerprintOf(client.home, metadata));
  const { schedule } = metadata;
  const next =
    schedule?.kind === "calendar" ? nextTimeOf(schedule, (await import("croner")).Cron) : undefined;
  return new Poller(client, reading, new Progress(checkpoint), next);
}

/** What makes the source another one, so that its checkpoint is none. Secrets and limits do not. */
function fingerprintOf({ origin, path }: Address, metadata: InputMetadata): string {
  const { itemsPath, idPath, versionPath, cursorPath, cursorHeader, cursorParameter } = metadata;
  const { followLinks, resume } = metadata;
  return JSON.stringify([
    ...[origin, path, itemsPath, idPath, versionPath],
    ...[cursorPath, cursorHeader, cursorParameter, followLinks, resume],
  ]);
}

/** Asks one URL again and again, one request at a time, and delivers what is new. */
class Poller implements Reader {
  readonly #client: HttpClient;
  readonly #reading: Reading<typeof httpFields>;
  readonly #metadata: InputMetadata;
  readonly #progress: Progress;
  readonly #origins: ReadonlySet<string>;
  /** The last cursor is where the next poll begins. */
  readonly #isFeed: boolean;
  readonly #stopping = new AbortController();
  readonly #stopTicking: () => void;
  readonly #backOff = new BackOff();
  #due: boolean;
  #wake: (() => void) | undefined;
  /** Of a feed: where the next request begins. */
  #cursor: string | undefined;
  #validators: Validators | undefined;
  /** An event was returned: it is to come again, with what follows. */
  #isReturned = false;
  #inTrouble = false;
  #hasBegun = false;
  #warnedOfIdentity = false;

  constructor(
    client: HttpClient,
    reading: Reading<typeof httpFields>,
    progress: Progress,
    next: NextTime | undefined,
  ) {
    this.#client = client;
    this.#reading = reading;
    const { metadata } = reading;
    this.#metadata = metadata;
    this.#progress = progress;
    this.#origins = parseOrigins(metadata.allowOrigins);
    const { cursorPath, cursorHeader, followLinks, resume, schedule, interval } = metadata;
    const leadsOn = cursorPath !== undefined || !!cursorHeader || followLinks;
    this.#isFeed = leadsOn && resume === "cursor";
    if (this.#isFeed) this.#cursor = progress.at;
    progress.holdsBack = progress.isNew && metadata.startFrom === "newest";
    const tick = (): void => {
      this.#due = true;
      this.#wake?.();
    };
    this.#due = schedule === undefined;
    const every = schedule?.kind === "every" ? schedule.interval : (interval ?? usualInterval);
    this.#stopTicking = next === undefined ? startInterval(every, tick) : startTicker(next, tick);
    void this.#run();
  }

  stop(): void {
    this.#stopTicking();
    this.#stopping.abort();
    this.#wake?.();
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
      if (!this.#due) await new Promise<void>((resolve) => (this.#wake = resolve));
      if (this.#isStopped) return;
      try {
        await this.#poll();
        this.#backOff.reset();
        this.#told();
      } catch (error) {
        if (this.#isStopped) return;
        await this.#pauseAfter(BindingError.from(error));
        this.#due = true;
        continue;
      }
      // Times that came meanwhile are left out.
      this.#due = false;
    }
  }

  async #pauseAfter({ message, retryAfter }: BindingError): Promise<void> {
    const pause = Math.round(this.#backOff.next(retryAfter));
    const time = new Date(Date.now() + pause).toISOString();
    const text = `${message}; the next request is at ${time}, after ${formatDuration(pause)}`;
    const { logger, report } = this.#reading;
    if (!this.#inTrouble)
      logger.warn(
        { reason: message, pause: formatDuration(pause) },
        "a poll has failed; it is repeated",
      );
    this.#inTrouble = true;
    report?.(text, true);
    await delay(pause, this.#stopping.signal);
  }

  #told(): void {
    if (this.#inTrouble) this.#reading.logger.info({}, "polls succeed again");
    this.#inTrouble = false;
    this.#reading.report?.("", false);
  }

  /** Asks for one page after another, as far as they lead on. */
  async #poll(): Promise<void> {
    const { maxPages, maxItems, cursorParameter } = this.#metadata;
    if (this.#isReturned) this.#beginAnew();
    const keys = new Set<string>();
    const counts = new Map<string, number>();
    let cursor = this.#isFeed ? this.#cursor : undefined;
    for (let pages = 1; ; pages++) {
      if (this.#isFeed) counts.clear();
      const address = addressOf(this.#client.home, cursor, cursorParameter);
      const answered = await this.#ask(address, cursor !== undefined);
      if (this.#isStopped || answered.status === 304) return;
      const held = this.#hold(answered);
      let page: Page;
      try {
        page = readPage(answered, this.#metadata);
        const isLast = page.cursor === undefined || page.cursor === cursor;
        if (this.#isFeed && cursor !== this.#progress.at && !(await this.#hasRoom())) return;
        const pageKeys = page.items.map((item) => this.#keyOf(item, cursor, counts));
        for (const key of pageKeys) keys.add(key);
        if (!this.#isFeed && keys.size > maxItems)
          throw tooLarge(`the list has more than ${maxItems} items`, "maxItems");
        await this.#deliver(page.items, pageKeys, answered, address);
        if (this.#isStopped) return;
        if (isLast) return this.#reachedEnd(address, answered, cursor, { keys, pages });
      } finally {
        held[Symbol.dispose]();
      }
      cursor = page.cursor;
      if (this.#isFeed) {
        this.#progress.mark(cursor ?? "");
        this.#cursor = cursor;
        // The page behind the last one is there already, and empty.
        if (page.items.length === 0) return this.#begun();
        if (pages === maxPages) return;
      } else if (pages === maxPages)
        throw tooLarge(`the list has more than ${maxPages} pages`, "maxPages");
    }
  }

  #beginAnew(): void {
    this.#isReturned = false;
    this.#validators = undefined;
    this.#progress.rewind();
    if (this.#isFeed) this.#cursor = this.#progress.at;
  }

  #reachedEnd(
    address: Address,
    { headers }: Answered,
    cursor: string | undefined,
    { keys, pages }: { keys: ReadonlySet<string>; pages: number },
  ): void {
    if (!this.#isFeed || cursor === this.#progress.at) this.#progress.keepOnly(keys);
    this.#begun();
    const { etag, "last-modified": modified } = headers;
    const found: (readonly [string, string])[] = [];
    if (etag !== undefined) found.push(["If-None-Match", etag]);
    if (modified !== undefined) found.push(["If-Modified-Since", modified]);
    const isOnePage = this.#isFeed ? cursor === this.#cursor : pages === 1;
    this.#validators =
      found.length > 0 && isOnePage && !this.#isReturned
        ? { url: address.origin + address.path, headers: found }
        : undefined;
  }

  #begun(): void {
    if (this.#progress.isNew && !this.#hasBegun) this.#progress.begun();
    this.#hasBegun = true;
  }

  async #ask(address: Address, isPage: boolean): Promise<Answered> {
    const { home } = this.#client;
    const what = describe({ method: "GET", address });
    if (isPage) checkOrigin(home, address, this.#origins, what);
    const { pollTimeout, maxPageSize } = this.#metadata;
    const headers = this.#headers(address.origin === home.origin);
    const { url, headers: conditions } = this.#validators ?? { url: "", headers: [] };
    if (url === address.origin + address.path)
      for (const [name, value] of conditions) setHeader(headers, name, value);
    const request = {
      ...{ method: "GET", address, headers, body: undefined },
      ...{ maxBody: maxPageSize, origins: this.#origins },
    };
    return within(pollTimeout, "pollTimeout", this.#stopping.signal, (signal) =>
      this.#client.send(request, signal),
    );
  }

  /** Credentials are for the first origin alone. */
  #headers(isHome: boolean): RequestHeaders {
    const {
      securityToken,
      securityTokenHeader,
      headers: own,
      itemsPath,
      cursorPath,
    } = this.#metadata;
    const headers: RequestHeaders = new Map([["user-agent", userAgent]]);
    const isJson = itemsPath !== undefined || cursorPath !== undefined;
    setHeader(headers, "Accept", isJson ? "application/json" : "*/*");
    if (!isHome) return headers;
    const { authorization } = this.#client.home;
    if (authorization !== undefined) setHeader(headers, "Authorization", authorization);
    if (securityToken && securityTokenHeader)
      setHeader(headers, securityTokenHeader, securityToken);
    for (const [name, value] of own) setHeader(headers, name, value);
    // What the answer is packed in is the client's business.
    headers.delete("accept-encoding");
    return headers;
  }

  /** The body counts while its items are delivered. */
  #hold({ body }: Answered): Disposable {
    const held = this.#reading.memory.open(assuredBytes);
    if (!held.reserve(body.length)) {
      held.release();
      const text = "the memory budget has no room for the answer (--memory-budget)";
      throw new BindingError("resource_exhausted", text);
    }
    return { [Symbol.dispose]: () => held.release() };
  }

  /** False: only the next poll makes room, which delivers again what was returned. */
  async #hasRoom(): Promise<boolean> {
    return (await orAborted(this.#progress.hasRoom(), this.#stopping.signal)) === true;
  }

  /**
   * Items of a feed are told apart by their page, and which of equal ones each is. In a list the same identity is the same
   * item; without identities, equal items are counted.
   */
  #keyOf(
    { identity, id }: PageItem,
    cursor: string | undefined,
    counts: Map<string, number>,
  ): string {
    if (!this.#isFeed && id !== undefined) return identity;
    const count = counts.get(identity) ?? 0;
    counts.set(identity, count + 1);
    return feedKey(cursor ?? "", identity, String(count));
  }

  async #deliver(
    items: readonly PageItem[],
    keys: readonly string[],
    answered: Answered,
    address: Address,
  ): Promise<void> {
    const metadata = this.#eventMetadata(answered, address);
    let batch: InboundEvent[] = [];
    let bytes = 0;
    for (const [index, item] of items.entries()) {
      const key = keys[index] ?? "";
      if (this.#progress.holdsBack) {
        this.#progress.skip(key);
        continue;
      }
      const entry = this.#progress.take(key);
      if (entry === undefined) continue;
      this.#checkIdentity(item);
      batch.push(this.#eventOf(item, entry, metadata, answered));
      bytes += item.data.length;
      if (batch.length < batchEvents && bytes < batchBytes) continue;
      await this.#handOver(batch);
      if (this.#isStopped) return;
      batch = [];
      bytes = 0;
    }
    if (batch.length > 0) await this.#handOver(batch);
  }

  async #handOver(batch: readonly InboundEvent[]): Promise<void> {
    await orAborted(this.#reading.deliver(batch), this.#stopping.signal);
  }

  #eventOf(
    { data, id, key }: PageItem,
    entry: FeedItem,
    metadata: Readonly<Record<string, string>>,
    { headers }: Answered,
  ): InboundEvent {
    return {
      ...{ data, metadata, id, key },
      headers: this.#metadata.itemsPath === undefined ? eventHeaders(headers) : [],
      settle: ({ outcome }) => {
        if (outcome === "handled") return this.#progress.handled(entry);
        this.#progress.returned(entry);
        this.#isReturned = true;
        this.#validators = undefined;
      },
    };
  }

  #eventMetadata({ headers }: Answered, address: Address): Record<string, string> {
    const isItem = this.#metadata.itemsPath !== undefined;
    const { etag, "last-modified": lastModified, "content-type": contentType } = headers;
    return {
      url: describeAddress(address),
      ...(isItem ? { contentType: "application/json" } : contentType && { contentType }),
      ...(isItem || etag === undefined ? {} : { etag }),
      ...(isItem || lastModified === undefined ? {} : { lastModified }),
    };
  }

  #checkIdentity({ id }: PageItem): void {
    if (this.#metadata.idPath === undefined || id !== undefined || this.#warnedOfIdentity) return;
    this.#warnedOfIdentity = true;
    const text = "an item has nothing at idPath; it is known by its content, and has no id";
    this.#reading.logger.warn({}, text);
  }
}

/** What the answer of a whole body carried, but cookies and what is about the connection. */
function eventHeaders(headers: Answered["headers"]): InboundEvent["headers"] {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ||
    /^(set-cookie|transfer-encoding|connection|keep-alive|trailer)$/.test(name)
      ? []
      : [value].flat().map((one) => ({ name, value: Buffer.from(one, "latin1") })),
  );
}
