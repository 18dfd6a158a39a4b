import { setTimeout as pause } from "node:timers/promises";
import { orAborted } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { longestTimer } from "../../metadata/duration.ts";
import { jsonElements, jsonMembers } from "../../text/json-members.ts";
import { statusFailure, type EventsApi } from "./api.ts";
import { changeData, KeptEvents, type Change } from "./kept-events.ts";

/** A watch ends after so many seconds, or up to twice as many, so that not all end together. */
const watchSeconds = 300;
const firstPause = 100;
const longestPause = 5_000;
const mostFailures = 5;
/** Of one line, in characters; an object has 1.5 MiB at most. */
const longestLine = 8 * 1024 * 1024;
const gone = 410;

/** Lists the events of a namespace, and tells of each change from then on. */
export class EventWatcher implements Reader {
  readonly #api: EventsApi;
  // oxlint-disable-next-line typescript/no-explicit-any -- the metadata are not read here
  readonly #reading: Reading<any>;
  readonly #kept: KeptEvents;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  readonly #resync: NodeJS.Timeout | undefined;
  /** What is handed over is so one after another. */
  #handing: Promise<void> = Promise.resolve();
  /** Up to where all is known; empty: nothing is. */
  #version = "";

  /** `resyncPeriod`: milliseconds; 0: never. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the metadata are not read here
  constructor(api: EventsApi, resyncPeriod: number, reading: Reading<any>) {
    this.#api = api;
    this.#reading = reading;
    this.#kept = new KeptEvents(reading.memory);
    this.#ended = this.#run();
    if (resyncPeriod > 0)
      this.#resync = setInterval(
        () => void this.#hand(this.#kept.again()),
        Math.min(resyncPeriod, longestTimer),
      ).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#resync);
    this.#stopping.abort();
    await this.#ended;
  }

  flush(): void {
    // The server is told nothing.
  }

  close(): void {
    this.#kept.release();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted;) {
      try {
        if (this.#version === "") await this.#list();
        await this.#watch();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const failure = BindingError.from(error, "unavailable");
        if (failure.systemCode === "Expired" || failure.systemCode === "Gone") {
          // What the server has forgotten is found by listing again.
          this.#version = "";
          failures += 1;
        } else {
          failures += 1;
          const isTransient =
            failure.reason === "unavailable" || failure.reason === "resource_exhausted";
          if (!isTransient || failures > mostFailures) return this.#reading.lost(failure);
        }
        const reason = failure.message;
        this.#reading.logger.debug({ reason }, "a watch has ended; beginning another");
        const wait = Math.min(firstPause * 2 ** failures, longestPause);
        await pause(wait, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  async #list(): Promise<void> {
    const objects: string[] = [];
    let from = "";
    let version = "";
    do {
      const members = jsonMembers(await this.#api.page(from, this.#stopping.signal));
      objects.push(...jsonElements(members?.get("items") ?? "[]"));
      const metadata = JSON.parse(members?.get("metadata") ?? "{}") as Record<string, unknown>;
      version = String(metadata["resourceVersion"] ?? "");
      from = String(metadata["continue"] ?? "");
    } while (from !== "");
    await this.#hand(this.#kept.replace(objects));
    this.#version = version;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    const seconds = watchSeconds + Math.floor(Math.random() * watchSeconds);
    const lines = await this.#api.watch(this.#version, seconds, signal);
    try {
      for await (const line of linesOf(lines)) await this.#take(line);
    } catch (error) {
      throw BindingError.from(error, "unavailable");
    }
  }

  async #take(line: string): Promise<void> {
    const members = jsonMembers(line);
    const type: unknown = JSON.parse(members?.get("type") ?? "null");
    const object = members?.get("object") ?? "{}";
    if (type === "ERROR") {
      const { code } = JSON.parse(object) as { code?: unknown };
      throw statusFailure("watching", typeof code === "number" ? code : gone, object);
    }
    if (type === "BOOKMARK") {
      const metadata = (JSON.parse(object) as { metadata?: { resourceVersion?: string } }).metadata;
      this.#version = metadata?.resourceVersion ?? this.#version;
      return;
    }
    const change = type === "DELETED" ? this.#kept.remove(object) : this.#kept.put(object);
    if (change === undefined) return;
    await this.#hand([change]);
    if (change.version !== "") this.#version = change.version;
  }

  async #hand(changes: Iterable<Change>): Promise<void> {
    const before = this.#handing;
    const events = Array.from(changes, (change) => this.#eventOf(change));
    const handed = before.then(async () => {
      if (events.length === 0 || this.#stopping.signal.aborted) return;
      await orAborted(this.#reading.deliver(events), this.#stopping.signal);
    });
    this.#handing = handed.catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#reading.lost(BindingError.from(error));
    });
    await this.#handing;
  }

  #eventOf(change: Change): InboundEvent {
    return {
      data: changeData(change),
      metadata: {},
      headers: [],
      key: change.key,
      id: `${change.key}/${change.version}/${change.kind}`,
      idIsMadeUp: true,
      settle: () => undefined,
    };
  }
}

async function* linesOf(parts: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const part of parts) {
    const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > longestLine) throw new Error("a line of the watch is too long");
    for (const line of lines) if (line.trim() !== "") yield line;
  }
}
