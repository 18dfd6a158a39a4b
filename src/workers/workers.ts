import type { Duplex } from "node:stream";
import type { DialledStreams } from "../app/dialled-streams.ts";
import { delay } from "../delay.ts";
import { BindingError, messageOf } from "../errors.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import type { History } from "../runtime/records/history.ts";
import type { AttemptCount } from "../store/records.ts";
import type { CheckedStore, Store } from "../store/store.ts";
import type { MetricFamily } from "../telemetry/metric-model.ts";
import type { TlsMaterial } from "../server/tls-files.ts";
import { Agreements } from "./agreement.ts";
import type { ParentApi, Snapshot, WorkerApi } from "./api.ts";
import type { Handlers } from "./peer.ts";
import type { Placement } from "./placement.ts";
import { PortStream } from "./port-stream.ts";
import { endedStatus } from "./merge-status.ts";
import { recordEnded } from "./remote-history.ts";
import { aboutComponent, callStore, type StoreCall } from "./remote-store.ts";
import { sum } from "./metric-sum.ts";
import { concurrencyMemory, freePlaces, usedPlaces } from "./shared-concurrency.ts";
import { SpecRegistry } from "./spec-message.ts";
import type { WorkerLeases } from "./worker-leases.ts";
import { WorkerThread } from "./worker-thread.ts";

export type WorkersOptions = {
  readonly count: number;
  /** The program of a worker. */
  readonly file: URL;
  /** The streams that the app has dialled. */
  readonly streams: DialledStreams;
  /** What each is told at its start. */
  readonly data: (worker: number) => object;
  readonly logger: RuntimeLogger;
  /** Where a worker's lines of the log go. */
  readonly log: (line: string) => void;
  readonly store: CheckedStore;
  /** Absent: the process has its store alone. */
  readonly leases: WorkerLeases | undefined;
  readonly history: History;
  /** Takes the requests that the parent answers. */
  readonly accept: (connection: Duplex) => void;
  /** Told when workers end again and again. */
  readonly onHopeless: (why: string) => void;
};

/** A worker that ends so often within {@link often} ms is not replaced any more: what ends it comes again. */
const mostEnds = 5;
const often = 60_000;
/** Between the end of a worker and its replacement, in milliseconds: the first at once. */
const pauses = [0, 200, 1000, 3000];
/** How long workers wait for one another with a changed component, in milliseconds: an opening takes 20 s at most. */
const longestAgreement = 40_000;
/** A worker that is busy does not hold up those who look, in milliseconds. */
const longestLook = 500;

const never = new AbortController().signal;

/** What a worker has to be told again when another one takes its place. */
type Beginning = (worker: number, thread: WorkerThread) => Promise<void>;

/** The workers of a process, each with its number: one that has ended is replaced by one with the same number. */
export class Workers {
  readonly count: number;
  readonly specs = new SpecRegistry();
  readonly concurrency: SharedArrayBuffer;
  placements: ReadonlyMap<string, Placement> = new Map();
  /** Those before the last definitions. */
  placementsBefore: ReadonlyMap<string, Placement> = new Map();
  tls: TlsMaterial | undefined;
  readonly #options: WorkersOptions;
  readonly #threads: (WorkerThread | undefined)[] = [];
  readonly #snapshots: (Snapshot | undefined)[] = [];
  readonly #agreements: Agreements;
  readonly #listeners = new Set<() => void>();
  readonly #ends: number[] = [];
  readonly #counted: (readonly MetricFamily[] | undefined)[] = [];
  #countedByEnded: readonly (readonly MetricFamily[])[] = [];
  readonly #endedStatuses = new Map<string, ComponentStatus>();
  #needed: Parameters<WorkerApi["need"]> = [[], new Map()];
  #begin: Beginning = async () => {};
  #looking: Promise<void> | undefined;
  #lookedAt = 0;
  #isClosing = false;

  constructor(options: WorkersOptions) {
    this.count = options.count;
    this.#options = options;
    this.concurrency = concurrencyMemory(options.count);
    this.#agreements = new Agreements((name) => this.#changersOf(name), longestAgreement);
  }

  /** Starts all. `begin` is called for each, and for each that takes another's place. Rejects where one cannot. */
  async start(begin: Beginning): Promise<void> {
    this.#begin = begin;
    for (let worker = 0; worker < this.count; worker++) this.#thread(worker);
    for (const [worker, thread] of this.#threads.entries()) {
      await thread?.begun;
      // One after another: the first says what is wrong with the port.
      if (thread !== undefined) await this.#tell(worker, thread);
    }
  }

  /** The workers in which a component is open, or is to be. */
  hostsOf(name: string): readonly number[] {
    const place = this.placements.get(name);
    const alone = place?.isAlone === true ? [place.owner] : undefined;
    return (alone ?? this.numbers).filter((worker) => this.#threads[worker] !== undefined);
  }

  /** The workers that have a component open and change it; one that has it now for the first time changes nothing. */
  #changersOf(name: string): readonly number[] {
    const before = this.placementsBefore.get(name);
    return this.hostsOf(name).filter(
      (worker) => before?.isAlone !== true || before.owner === worker,
    );
  }

  /** The workers that read a component's events: at least one, which may be one that is being replaced. */
  readersOf(name: string): readonly number[] {
    const all = this.placements.get(name)?.spreads === true ? this.hostsOf(name) : [];
    return all.length > 0 ? all : [this.ownerOf(name)];
  }

  /** The worker that reads a component's events, or speaks for those that do. */
  ownerOf(name: string): number {
    return this.placements.get(name)?.owner ?? 0;
  }

  get numbers(): readonly number[] {
    return Array.from({ length: this.count }, (_, worker) => worker);
  }

  /** The worker of that number, once it can be asked. Rejects where there is none now. */
  async thread(worker: number): Promise<WorkerThread> {
    const thread = this.#threads[worker];
    if (thread === undefined)
      throw new BindingError("unavailable", `worker ${worker + 1} is being replaced; try again`, {
        effect: "unsent",
      });
    await thread.begun.catch((error: unknown) => {
      throw new BindingError("unavailable", messageOf(error), { effect: "unsent" });
    });
    return thread;
  }

  /** The worker of that number, where it can be asked at once. */
  peerOf(worker: number): WorkerThread["peer"] | undefined {
    const thread = this.#threads[worker];
    return thread?.isReady === true ? thread.peer : undefined;
  }

  /** What each of the workers answers; one that is not there, or ends meanwhile, is left out. */
  async each<Result>(
    ask: (thread: WorkerThread, worker: number) => Promise<Result>,
    among: readonly number[] = this.numbers,
  ): Promise<Result[]> {
    const results = await Promise.all(
      among.map(async (worker) => {
        const thread = await this.thread(worker).catch(() => undefined);
        if (thread === undefined) return [];
        try {
          return [await ask(thread, worker)];
        } catch (error) {
          if (this.#threads[worker] === thread) throw error;
          return [];
        }
      }),
    );
    return results.flat();
  }

  get snapshots(): readonly (Snapshot | undefined)[] {
    return this.#snapshots;
  }

  /** When the workers were last asked what they know, by `performance.now()`. */
  get lookedAt(): number {
    return this.#lookedAt;
  }

  /** Asks all what they know, and waits for each that is not too busy to say it. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** What each has counted. */
  async counted(deprecated: boolean): Promise<readonly (readonly MetricFamily[])[]> {
    return this.each(async ({ peer }, worker) => {
      const families = await peer.call("metrics", [deprecated]);
      this.#counted[worker] = families;
      return families;
    });
  }

  /** What those that have ended were last known to have counted. */
  get countedByEnded(): readonly (readonly MetricFamily[])[] {
    return this.#countedByEnded;
  }

  /** What those that have ended had counted of components that all read, by name. */
  get endedStatuses(): ReadonlyMap<string, ComponentStatus> {
    return this.#endedStatuses;
  }

  /** Has all load the code for these types; see `BindingCatalogue.need`. */
  async need(
    types: readonly string[],
    waiting: ReadonlyMap<string, readonly string[]>,
  ): Promise<void> {
    this.#needed = [types, waiting];
    await this.each(({ peer }) => peer.call("need", [types, waiting]));
  }

  /** Calls the listener after a component or the app has another state; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get used(): number {
    return usedPlaces(this.concurrency);
  }

  /** What ends from now on is not replaced. */
  closing(): void {
    this.#isClosing = true;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.#threads.map(async (thread) => thread?.terminate()));
  }

  async #look(): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), longestLook);
    await Promise.all(
      this.#threads.map(async (thread, worker) => {
        if (thread?.isReady !== true) return;
        const { signal } = late;
        try {
          this.#snapshots[worker] = await thread.peer.call("snapshot", [], { signal });
        } catch {
          // What it said before stands.
        }
      }),
    );
    clearTimeout(timer);
    this.#lookedAt = performance.now();
  }

  #thread(worker: number): WorkerThread {
    const { file, data, accept } = this.#options;
    const thread: WorkerThread = new WorkerThread({
      ...{ file, name: `worker ${worker + 1}`, handlers: this.#handlersOf(worker) },
      data: {
        ...data(worker),
        worker,
        workers: this.count,
        concurrency: this.concurrency,
        tls: this.tls,
      },
      onEnd: (why) => this.#ended(worker, thread, why),
    });
    this.#threads[worker] = thread;
    accept(new PortStream(thread.upwards));
    return thread;
  }

  #handlersOf(worker: number): Handlers<ParentApi> {
    const { log, store, history, streams, leases } = this.#options;
    return {
      begun() {},
      log,
      resolve: (spec, only) => this.specs.get(spec).resolve(only),
      prepare: async (id) => {
        const spec = this.specs.get(id);
        await spec.prepare?.();
        return spec.fingerprint;
      },
      forget: (spec) => this.specs.forget(spec, worker),
      store: (call) => {
        const about = aboutComponent(call);
        if (about !== undefined && call.epoch !== undefined)
          leases?.check(worker, about, call.epoch);
        this.#tellAttempt(worker, call);
        return callStore(store, call);
      },
      own: (id, component, memory, movable) =>
        leases?.own(worker, id, component, memory, movable, (lease) =>
          this.peerOf(worker)?.tell("lease", [id, lease]),
        ),
      readingEnded: (id) => leases?.readingEnded(worker, id),
      release: (id) => leases?.release(worker, id),
      replicas: () => store.replicas.list(),
      doubt: (stream) => store.doubt?.(stream),
      ended: (events) => {
        for (const event of events) recordEnded(history, event);
      },
      batch: (id, bytes, events) => streams.batch(worker, id, bytes, events),
      creditNeeded: (id) => streams.needed(worker, id),
      creditReturned: (id, credit) => streams.returned(worker, id, credit),
      changed: () => this.#changed(),
      invoke: async (to, call, signal) => {
        const { peer } = await this.thread(to);
        return peer.call("invoke", [call], { signal });
      },
      agree: (component, refusal) => this.#agreements.hear(component, worker, refusal),
    };
  }

  /** The counts of those that others read on must not fall. */
  #keepCounts(snapshot: Snapshot | undefined): void {
    for (const status of snapshot?.components ?? []) {
      const { name } = status;
      if (this.placements.get(name)?.spreads === true)
        this.#endedStatuses.set(name, endedStatus(status, this.#endedStatuses.get(name)));
    }
  }

  /** An event may come to another worker the next time. */
  #tellAttempt(worker: number, { part, method, args }: StoreCall): void {
    if (part !== "attempts" || method !== "begin") return;
    const [name, count] = args as Parameters<Store["attempts"]["begin"]>;
    if (this.placements.get(name)?.spreads === true) this.#tellOthers(worker, name, count);
  }

  #tellOthers(worker: number, name: string, count: AttemptCount | undefined): void {
    for (const other of this.hostsOf(name))
      if (other !== worker) this.peerOf(other)?.tell("attemptNoted", [name, count]);
  }

  async #tell(worker: number, thread: WorkerThread): Promise<void> {
    await thread.peer.call("need", this.#needed);
    await this.#begin(worker, thread);
    this.#options.streams.joined(worker);
  }

  #changed(): void {
    void this.look().then(() => {
      for (const listener of this.#listeners) listener();
    });
  }

  #ended(worker: number, thread: WorkerThread, why: string): void {
    if (this.#threads[worker] !== thread) return;
    this.#threads[worker] = undefined;
    this.#keepCounts(this.#snapshots[worker]);
    this.#snapshots[worker] = undefined;
    this.specs.left(worker);
    const counted = this.#counted[worker];
    this.#counted[worker] = undefined;
    if (counted !== undefined) this.#countedByEnded = [sum([...this.#countedByEnded, counted])];
    freePlaces(this.concurrency, worker);
    this.#options.leases?.ended(worker);
    // Its parts of what all read come to the others.
    for (const [name, { spreads }] of this.placements)
      if (spreads === true) this.#tellOthers(worker, name, undefined);
    if (this.#isClosing) return;
    this.#agreements.left();
    // An app that has events of one that ended would get them again beside these.
    this.#options.streams.endAll("a worker of the runtime has ended");
    const now = performance.now();
    this.#ends.push(now);
    while ((this.#ends[0] ?? now) < now - often) this.#ends.shift();
    const fields = { worker: String(worker + 1), reason: why };
    if (this.#ends.length >= mostEnds) {
      this.#options.logger.error(fields, "workers end again and again; shutting down");
      return this.#options.onHopeless("workers end again and again");
    }
    this.#options.logger.error(fields, "a worker has ended; another takes its place");
    void this.#replace(worker);
  }

  async #replace(worker: number): Promise<void> {
    await delay(pauses[Math.min(this.#ends.length, pauses.length) - 1] ?? 0, never);
    if (this.#isClosing) return;
    const thread = this.#thread(worker);
    try {
      await thread.begun;
      await this.#tell(worker, thread);
      this.#options.logger.info({ worker: String(worker + 1) }, "the worker was replaced");
    } catch (error) {
      // One that has ended by itself is replaced by that.
      if (this.#threads[worker] !== thread) return;
      const reason = messageOf(error);
      this.#options.logger.error(
        { worker: String(worker + 1), reason },
        "a worker could not begin",
      );
      await thread.terminate();
    }
  }
}
