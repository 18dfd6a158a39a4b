import { setTimeout as pause } from "node:timers/promises";
import { orAborted } from "../../abortable.ts";
import type { InboundEvent, Reader, Reading } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { longestTimer } from "../../metadata/duration.ts";
import { jsonElements, jsonMembers } from "../../text/json-members.ts";
import type { Collection, KubernetesClient } from "../../kubernetes-client/client.ts";
import { isForgotten, statusFailure } from "../../kubernetes-client/status.ts";
import { watchedLines } from "../../kubernetes-client/watch.ts";
import { changeData, KeptEvents, type Change } from "./kept-events.ts";

/** How long a watch lasts, in seconds. */
const watchSeconds = 40;
/** A watch that ends sooner, in milliseconds, is no reason to ask for the next one at once. */
const shortestWatch = 1_000;
/** A page of the list has so many events. */
const pageSize = 500;
const firstPause = 100;
const longestPause = 5_000;
/** So often in a row, which is twenty seconds: as long as a server takes to start. */
const mostFailures = 8;
/** So many changes are handed over together. */
const mostTogether = 50;

/** Lists the events of a namespace, and tells of each change from then on. */
export class EventWatcher implements Reader {
  readonly #client: KubernetesClient;
  readonly #events: Collection;
  // oxlint-disable-next-line typescript/no-explicit-any -- the metadata are not read here
  readonly #reading: Reading<any>;
  readonly #kept: KeptEvents;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  readonly #resync: NodeJS.Timeout | undefined;
  /** The last that was begun of what changes the kept events and hands them over, one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #isResyncing = false;
  /** Up to where all is known; empty: nothing is. */
  #version = "";
  /** Whether the watch has brought anything. */
  #hasRead = false;
  /** Whether it was ever allowed: a server that has just started refuses for a moment what it allows. */
  #hasWatched = false;

  /** `resyncPeriod`: milliseconds; 0: never. */
  constructor(
    client: KubernetesClient,
    events: Collection,
    resyncPeriod: number,
    // oxlint-disable-next-line typescript/no-explicit-any -- the metadata are not read here
    reading: Reading<any>,
  ) {
    this.#client = client;
    this.#events = events;
    this.#reading = reading;
    this.#kept = new KeptEvents(reading.memory);
    this.#ended = this.#run();
    if (resyncPeriod > 0)
      this.#resync = setInterval(
        () => void this.#again(),
        Math.min(resyncPeriod, longestTimer),
      ).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#resync);
    this.#stopping.abort();
    await this.#ended;
    await this.#turn;
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
      const begun = performance.now();
      this.#hasRead = false;
      const failure = await this.#round();
      if (signal.aborted) return;
      const lasted = performance.now() - begun;
      if (this.#hasRead) failures = 0;
      if (failure === undefined && lasted >= shortestWatch) {
        failures = 0;
        continue;
      }
      failures += 1;
      if (failure !== undefined) {
        const { effect, message: reason } = failure;
        // What the server has forgotten is found by listing again.
        if (isForgotten(failure)) this.#version = "";
        else if (failures > mostFailures || (effect === "rejected" && !this.#hasWatched))
          return this.#reading.lost(failure);
        this.#reading.logger.debug({ reason }, "a watch has ended; beginning another");
      }
      const wait = Math.min(firstPause * 2 ** failures, longestPause);
      await pause(wait, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** One watch, from where the one before has ended, or from a list. */
  async #round(): Promise<BindingError | undefined> {
    try {
      if (this.#version === "") await this.#list();
      await this.#watch();
      return undefined;
    } catch (error) {
      return BindingError.from(error, "unavailable");
    }
  }

  async #list(): Promise<void> {
    const { signal } = this.#stopping;
    const seen = new Set<string>();
    let from = "";
    let version = "";
    do {
      const room = this.#reading.memory.forAnswers.open();
      try {
        const members = jsonMembers(
          await this.#client.page(this.#events, { limit: pageSize, from, signal, room }),
        );
        const metadata = JSON.parse(members?.get("metadata") ?? "{}") as {
          resourceVersion?: string;
          continue?: string;
        };
        version = metadata.resourceVersion ?? "";
        from = metadata.continue ?? "";
        const objects = jsonElements(members?.get("items") ?? "[]");
        await this.#inTurn(() => this.#kept.list(objects, seen));
      } finally {
        room.release();
      }
    } while (from !== "");
    await this.#inTurn(() => this.#kept.keepOnly(seen));
    this.#version = version;
  }

  async #watch(): Promise<void> {
    const lines = watchedLines(this.#client, this.#events, {
      ...{ resourceVersion: this.#version, seconds: watchSeconds, signal: this.#stopping.signal },
      memory: this.#reading.memory,
      onBegin: () => (this.#hasWatched = true),
    });
    for await (const line of lines) await this.#take(line);
  }

  async #take(line: string): Promise<void> {
    const members = jsonMembers(line);
    const type: unknown = JSON.parse(members?.get("type") ?? "null");
    const object = members?.get("object") ?? "{}";
    if (type === "ERROR") {
      const { code } = JSON.parse(object) as { code?: unknown };
      throw statusFailure("watching", typeof code === "number" ? code : 500, object);
    }
    const { metadata } = JSON.parse(object) as { metadata?: { resourceVersion?: unknown } };
    this.#hasRead = true;
    if (type === "DELETED") await this.#inTurn(() => this.#kept.remove(object));
    else if (type !== "BOOKMARK") await this.#inTurn(() => this.#kept.list([object]));
    const version = metadata?.resourceVersion;
    if (typeof version === "string" && version !== "") this.#version = version;
  }

  /** Each that is there, as if it had changed. */
  async #again(): Promise<void> {
    // While the app has not taken those of the time before, no more are due.
    if (this.#isResyncing) return;
    this.#isResyncing = true;
    try {
      await this.#inTurn(() => this.#kept.again());
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#reading.lost(BindingError.from(error));
    } finally {
      this.#isResyncing = false;
    }
  }

  #inTurn(changes: () => Iterable<Change>): Promise<void> {
    const turn = this.#turn.then(() => this.#hand(changes()));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #hand(changes: Iterable<Change>): Promise<void> {
    const { signal } = this.#stopping;
    let events: InboundEvent[] = [];
    const deliver = async (): Promise<void> => {
      signal.throwIfAborted();
      await orAborted(this.#reading.deliver(events), signal);
      events = [];
    };
    for (const change of changes) {
      events.push(eventOf(change));
      if (events.length === mostTogether) await deliver();
    }
    if (events.length > 0) await deliver();
  }
}

function eventOf(change: Change): InboundEvent {
  return {
    data: changeData(change),
    metadata: {},
    headers: [],
    key: change.key,
    id: `${change.key}/${change.version}/${change.kind}`,
    settle: () => undefined,
  };
}
