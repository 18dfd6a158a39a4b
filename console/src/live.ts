import type { Client } from "@connectrpc/connect";
import { computed, signal } from "@preact/signals";
import type {
  Component,
  ComponentSample,
  Operations,
  WatchComponentsResponse,
} from "../../gen/cufflink/v1/operations_pb.ts";
import { timeOf } from "./format.ts";

/** A component as it is now, and what it did lately. */
export type LiveComponent = {
  readonly component: Component;
  /** Oldest first, of the last ten minutes. */
  readonly samples: readonly ComponentSample[];
  readonly deadLetters: number;
};

/** Whether what is shown is true at this moment. */
export type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** `since`: when it was lost, or first tried, in milliseconds since 1970. */
  | { readonly kind: "lost"; readonly since: number; readonly problem: string };

/** Samples are kept for so long, in milliseconds. */
export const sampleSpan = 600_000;
/** What one sample tells of, in milliseconds. */
export const sampleStep = 5000;

/** A stream that has sent nothing for so long is taken for broken, in milliseconds. */
const silence = 30_000;
/** Pauses between tries, in milliseconds: growing from the first to the last. */
const pauses = { first: 500, last: 10_000 };

/** A page that nobody has seen for so long watches no more, so that others of the same browser can: in milliseconds. */
const unseen = 20_000;

/** So many daemons are watched by streams: a browser has six connections to a server. */
const streams = 2;
/** Others are looked at one after another, each pause of so many milliseconds. */
const lookPause = 1500;

/** Watches daemons until the signal is aborted. */
export function watchAll(all: readonly LiveDaemon[], signal: AbortSignal): void {
  for (const live of all.slice(0, streams)) void live.watch(signal);
  if (all.length > streams) void lookAround(all.slice(streams), signal);
}

async function lookAround(all: readonly LiveDaemon[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const live of all) {
      await seen(signal);
      if (!signal.aborted) await live.look(signal);
    }
    await new Promise((resolve) => setTimeout(resolve, lookPause));
  }
}

/** Resolves once the page can be seen. */
function seen(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (document.visibilityState === "hidden" && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look, { once: true });
    look();
  });
}

/** Calls back once the page was hidden for long. Returns how to listen no more. */
function whenHidden(then: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = (): void => {
    clearTimeout(timer);
    if (document.visibilityState === "hidden") timer = setTimeout(then, unseen);
  };
  document.addEventListener("visibilitychange", look);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

/** A daemon's components, live by a stream that is opened again when it breaks. */
export class LiveDaemon {
  readonly components = signal<ReadonlyMap<string, LiveComponent>>(new Map());
  readonly connection = signal<Connection>({ kind: "connecting" });
  /** The daemon's time when it last looked, in milliseconds since 1970. */
  readonly now = signal(Date.now());
  /** Why durable records cannot be kept. Empty: they can. */
  readonly storeTrouble = signal("");
  /** Rises with each reload that changed something. */
  readonly revision = signal(0n);
  readonly deadLetters = computed(() => {
    let sum = 0;
    for (const { deadLetters } of this.components.value.values()) sum += deadLetters;
    return sum;
  });

  readonly #operations: Client<typeof Operations>;
  #again: () => void = () => {};

  constructor(operations: Client<typeof Operations>) {
    this.#operations = operations;
  }

  /** Watches until the signal is aborted, by a stream while the page can be seen. */
  async watch(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      await seen(signal);
      const hidden = new AbortController();
      const stop = whenHidden(() => hidden.abort());
      try {
        await this.#follow(AbortSignal.any([signal, hidden.signal]), () => (failures = 0));
        this.#lose("The daemon has ended the stream.");
      } catch (error) {
        if (hidden.signal.aborted) continue;
        if (!signal.aborted) this.#lose(error instanceof Error ? error.message : String(error));
      } finally {
        stop();
      }
      const pause = Math.min(pauses.first * 2 ** failures++, pauses.last);
      if (!signal.aborted) await this.#wait(pause * (0.75 + Math.random() / 2), signal);
    }
  }

  /** Looks once. */
  async look(signal: AbortSignal): Promise<void> {
    const enough = new AbortController();
    try {
      await this.#follow(AbortSignal.any([signal, enough.signal]), () => enough.abort());
    } catch (error) {
      if (!signal.aborted && !enough.signal.aborted)
        this.#lose(error instanceof Error ? error.message : String(error));
    }
  }

  /** Tries at once, where it waits before the next try. */
  retry(): void {
    this.#again();
  }

  async #follow(signal: AbortSignal, onLive: () => void): Promise<void> {
    const quiet = new AbortController();
    let timer = setTimeout(() => quiet.abort(), silence);
    try {
      const stream = this.#operations.watchComponents(
        { withSamples: true },
        { signal: AbortSignal.any([signal, quiet.signal]) },
      );
      for await (const response of stream) {
        clearTimeout(timer);
        timer = setTimeout(() => quiet.abort(), silence);
        this.#take(response);
        onLive();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #take(response: WatchComponentsResponse): void {
    const before = this.components.peek();
    const all = new Map(response.complete ? [] : before);
    const now = timeOf(response.at) ?? Date.now();
    for (const component of response.components) {
      const { name } = component;
      // Samples of before a break in the stream stay true; counts are told again.
      const samples = before.get(name)?.samples ?? [];
      all.set(name, { component, samples, deadLetters: all.get(name)?.deadLetters ?? 0 });
    }
    for (const name of response.removed) all.delete(name);
    for (const { component, samples } of response.samples) {
      const known = all.get(component);
      if (known === undefined) continue;
      const newest = timeOf(known.samples.at(-1)?.at) ?? 0;
      const added = samples.filter(({ at }) => (timeOf(at) ?? 0) > newest);
      const kept = [...known.samples, ...added].filter(
        ({ at }) => (timeOf(at) ?? 0) > now - sampleSpan,
      );
      all.set(component, { ...known, samples: kept });
    }
    for (const { component, count } of response.deadLetters) {
      const known = all.get(component);
      if (known) all.set(component, { ...known, deadLetters: Number(count) });
    }
    this.now.value = now;
    this.components.value = all;
    this.storeTrouble.value = response.storeTrouble;
    this.revision.value = response.revision;
    if (this.connection.peek().kind !== "live") this.connection.value = { kind: "live" };
  }

  #lose(problem: string): void {
    const before = this.connection.peek();
    const since = before.kind === "lost" ? before.since : Date.now();
    this.connection.value = { kind: "lost", since, problem };
  }

  async #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#again = () => {
        clearTimeout(timer);
        resolve();
      };
      const once = { once: true, signal: over.signal };
      signal.addEventListener("abort", this.#again, once);
      addEventListener("online", this.#again, once);
    });
    over.abort();
    this.#again = () => {};
  }
}
