import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../binding.ts";
import { clock } from "../clock.ts";
import { BindingError, type Reason } from "../errors.ts";
import type { KubernetesClient } from "../kubernetes-client/client.ts";
import { isForgotten, statusFailure } from "../kubernetes-client/status.ts";
import { watchedLines } from "../kubernetes-client/watch.ts";
import type { MemoryShare } from "../memory/budget.ts";
import { jsonElements, jsonMembers } from "../text/json-members.ts";
import { failureText } from "./failure-text.ts";
import { KeptObjects } from "./kept-objects.ts";
import { collectionOf, group, plurals, type Kind } from "./kinds.ts";

export type KindWatcherOptions = {
  readonly client: KubernetesClient;
  readonly kind: Kind;
  readonly namespace: string;
  readonly appId: string;
  /** Only the object of this name. Default: all. */
  readonly name?: string | undefined;
  /** For the lines of a watch, and the pages of a list. */
  readonly memory: MemoryShare;
  /** Something other than before is there now, or was read for the first time. */
  readonly onChange: () => void;
  readonly logger: Logger;
  /** How often all is listed again, whatever the watch has told, in milliseconds. */
  readonly resyncInterval: number;
};

/** How long a watch lasts, in seconds. */
const watchSeconds = 240;
/** A watch that ends sooner, in milliseconds, is no reason to ask for the next one at once. */
const shortestWatch = 1_000;
/** Milliseconds. */
const firstPause = 100;
const longestPause = 5_000;
const pageSize = 250;
/** So many refusals in a row, and what is known counts as forgotten: the server may have lost its history. */
const mostFailures = 3;
/** Those that say nothing against the version: the server is away, starts, has much to do, or does not let us. */
const passing: ReadonlySet<Reason> = new Set([
  ...(["unavailable", "resource_exhausted", "permission_denied", "unauthenticated"] as const),
]);

type Page = {
  readonly objects: readonly string[];
  readonly version: string;
  /** Where the next one begins; empty: this is the last. */
  readonly next: string;
};

/**
 * Lists the objects of a kind, and follows their changes, for as long as it is not stopped. Whatever fails is tried again;
 * what was read stays meanwhile.
 */
export class KindWatcher {
  readonly #options: KindWatcherOptions;
  readonly #kept: KeptObjects;
  readonly #stopping = new AbortController();
  /** Aborted when all is to be listed again. */
  #round = new AbortController();
  /** Up to where all is known; empty: nothing is. */
  #version = "";
  #listedAt = 0;
  #verb: "list" | "watch" = "list";
  #failure: string | undefined;
  #isRead = false;
  readonly #firstAnswer = Promise.withResolvers<void>();
  #attempted = Promise.withResolvers<void>();

  constructor(options: KindWatcherOptions) {
    this.#options = options;
    this.#kept = new KeptObjects(options);
  }

  get objects(): KeptObjects {
    return this.#kept;
  }

  /** Whether all was listed once. */
  get isRead(): boolean {
    return this.#isRead;
  }

  /** Resolves then, or once the server has refused it. */
  get firstAnswer(): Promise<void> {
    return this.#firstAnswer.promise;
  }

  /** Why it cannot be read now. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Called once. */
  start(): void {
    void this.#run();
  }

  /** Lists all again. Resolves once that is done, or has failed. */
  async refresh(): Promise<void> {
    if (this.#stopping.signal.aborted) {
      await this.#list(AbortSignal.timeout(longestPause)).then(
        () => this.#back(),
        (error: unknown) => this.#failed(BindingError.from(error, "unavailable"), true),
      );
      return;
    }
    this.#version = "";
    const { promise } = this.#attempted;
    this.#round.abort();
    await promise;
  }

  /** Nothing is read any more, but by {@link refresh}. */
  stop(): void {
    this.#stopping.abort();
    this.#attempted.resolve();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const stopping = this.#stopping.signal;
    for (let failures = 0; !stopping.aborted;) {
      this.#round = new AbortController();
      const signal = AbortSignal.any([stopping, this.#round.signal]);
      const begun = performance.now();
      const failure = await this.#attempt(signal);
      if (this.#round.signal.aborted) continue;
      const isOver = failure === undefined && performance.now() - begun >= shortestWatch;
      failures = isOver ? 0 : failures + 1;
      if (failure !== undefined) {
        const facts = { resource: this.#resource, reason: failure.message };
        this.#options.logger.debug(facts, "reading from Kubernetes has ended; it begins anew");
        const isLate = isForgotten(failure);
        const isOdd = !passing.has(failure.reason) && failures >= mostFailures;
        if (isLate || isOdd) this.#version = "";
        this.#failed(failure, failures > (isLate ? 2 : 1));
        this.#attempted.resolve();
        this.#attempted = Promise.withResolvers();
        if (isLate && failures === 1) continue;
      }
      if (isOver) continue;
      await delay(pauseAfter(failures), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** One watch, from where the one before has ended, or from a list. */
  async #attempt(signal: AbortSignal): Promise<BindingError | undefined> {
    try {
      const resync = this.#options.resyncInterval;
      const isDue = clock.elapsed() - this.#listedAt > resync;
      if (this.#version === "" || isDue) await this.#list(signal);
      await this.#watch(signal);
      return undefined;
    } catch (error) {
      return BindingError.from(error, "unavailable");
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    this.#verb = "list";
    const seen = new Set<string>();
    let changed = !this.#isRead;
    let from = "";
    let version: string;
    do {
      const page = await this.#page(from, signal);
      for (const object of page.objects) {
        const put = this.#kept.put(object);
        if (put.name !== undefined) seen.add(put.name);
        changed ||= put.changed;
      }
      ({ version, next: from } = page);
    } while (from !== "");
    changed = this.#kept.keepOnly(seen) || changed;
    this.#version = version;
    this.#listedAt = clock.elapsed();
    this.#isRead = true;
    this.#firstAnswer.resolve();
    if (changed) this.#options.onChange();
  }

  async #page(from: string, signal: AbortSignal, limit = pageSize): Promise<Page> {
    const { client, memory } = this.#options;
    const room = memory.forAnswers.open();
    try {
      const options = { limit, from, fieldSelector: this.#selector, signal, room };
      const members = jsonMembers(await client.page(this.#collection, options));
      const { resourceVersion = "", continue: next = "" } = JSON.parse(
        members?.get("metadata") ?? "{}",
      ) as { resourceVersion?: string; continue?: string };
      const objects = jsonElements(members?.get("items") ?? "[]") ?? [];
      return { objects, version: resourceVersion, next };
    } catch (error) {
      if (!isTooLarge(error) || limit === 1) throw error;
    } finally {
      room.release();
    }
    return this.#page(from, signal, Math.max(1, Math.floor(limit / 8)));
  }

  async #watch(signal: AbortSignal): Promise<void> {
    this.#verb = "watch";
    const lines = watchedLines(this.#options.client, this.#collection, {
      ...{ resourceVersion: this.#version, seconds: watchSeconds, signal },
      ...{ fieldSelector: this.#selector, memory: this.#options.memory },
      onBegin: () => {
        this.#back();
        this.#attempted.resolve();
        this.#attempted = Promise.withResolvers();
      },
    });
    for await (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    const members = jsonMembers(line);
    const type: unknown = JSON.parse(members?.get("type") ?? "null");
    const object = members?.get("object") ?? "{}";
    if (type === "ERROR") {
      const { code } = JSON.parse(object) as { code?: unknown };
      this.#version = "";
      const status = typeof code === "number" ? code : 500;
      throw statusFailure(`watching ${this.#collection.name}`, status, object);
    }
    const { metadata } = JSON.parse(object) as {
      metadata?: { name?: unknown; resourceVersion?: unknown };
    };
    const { name, resourceVersion } = metadata ?? {};
    const changed =
      type === "DELETED"
        ? typeof name === "string" && this.#kept.remove(name)
        : type !== "BOOKMARK" && this.#kept.put(object).changed;
    if (typeof resourceVersion === "string" && resourceVersion !== "")
      this.#version = resourceVersion;
    if (changed) this.#options.onChange();
  }

  /** `isTold`: it is worth a line, as it is not over at the next attempt. */
  #failed(failure: BindingError, isTold: boolean): void {
    const { kind, namespace, name, logger } = this.#options;
    const isRefused = failure.effect === "rejected" && !isForgotten(failure);
    if (isRefused) this.#firstAnswer.resolve();
    const lasts = isTold || isRefused || (!this.#isRead && !isForgotten(failure));
    if (!lasts) return;
    const reason = failureText(kind, namespace, name, this.#verb, failure);
    if (reason === this.#failure) return;
    this.#failure = reason;
    const goesOn = this.#isRead ? "what was read goes on" : "nothing of it is known yet";
    logger.warn(
      { resource: this.#resource, namespace, reason },
      `resources cannot be read from Kubernetes; ${goesOn}, it is tried again`,
    );
  }

  #back(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    const { logger, namespace } = this.#options;
    logger.info(
      { resource: this.#resource, namespace },
      "resources can be read from Kubernetes again",
    );
  }

  get #resource(): string {
    return `${plurals[this.#options.kind]}.${group}`;
  }

  get #collection() {
    return collectionOf(this.#options.kind, this.#options.namespace);
  }

  get #selector(): string | undefined {
    const { name } = this.#options;
    return name === undefined ? undefined : `metadata.name=${name}`;
  }
}

/** Whether there is no room for a page, so that a smaller one may do. */
function isTooLarge(error: unknown): boolean {
  if (!(error instanceof BindingError) || error.reason !== "resource_exhausted") return false;
  // Others are the server's refusals.
  return error.systemCode === undefined || error.systemCode === "TooLarge";
}

/** Doubled with each failure in a row, and spread, so that the pods of a cluster do not all ask together. */
function pauseAfter(failures: number): number {
  const longest = Math.min(firstPause * 2 ** Math.min(failures, 20), longestPause);
  return longest * (0.5 + Math.random() / 2);
}
