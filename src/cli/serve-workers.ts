import { DialledStreams } from "../app/dialled-streams.ts";
import type { TracingConfiguration } from "../resources/tracing-configuration.ts";
import type { BindingCatalogue } from "../runtime/binding-catalogue.ts";
import { ComponentTypes } from "../runtime/component-types.ts";
import { History } from "../runtime/records/history.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import type { CufflinkServer } from "../server/server.ts";
import type { TlsMaterial } from "../server/tls-files.ts";
import { stateStores } from "../states/index.ts";
import type { CheckedStore } from "../store/store.ts";
import { standardOutput } from "../telemetry/logger.ts";
import type { MemoryUse } from "../telemetry/memory-metrics.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ReplicaFleet } from "../fleet/replica-fleet.ts";
import { addWorkerMetrics } from "../workers/worker-metrics.ts";
import { reservePorts, type ReservedPorts } from "../workers/ports.ts";
import { WorkerLeases } from "../workers/worker-leases.ts";
import { Workers } from "../workers/workers.ts";
import { WorkersRuntime } from "../workers/workers-runtime.ts";
import { addressesOf } from "./serve-addresses.ts";
import type { WorkerData } from "./serve-worker.ts";
import type { ServeOptions } from "./serve-options.ts";
import { wantsColor } from "./terminal.ts";

export type ServeWorkersOptions = {
  readonly options: ServeOptions;
  readonly count: number;
  readonly logger: RuntimeLogger;
  readonly catalogue: BindingCatalogue;
  readonly store: CheckedStore;
  /** Absent: the process has its store alone. */
  readonly fleet: ReplicaFleet | undefined;
  readonly tracing: () => TracingConfiguration | undefined;
  readonly onHopeless: (why: string) => void;
};

/** The workers of `--workers`, and what takes the place of the parts that one thread has for itself. */
export class ServedWorkers {
  readonly runtime: Runtime;
  readonly #options: ServeWorkersOptions;
  readonly #workers: Workers;
  readonly #runtime: WorkersRuntime;
  readonly #streams: DialledStreams;
  readonly #leases: WorkerLeases | undefined;
  readonly #endPauses: () => void;
  #ports: ReservedPorts | undefined;
  #server: CufflinkServer | undefined;

  constructor(options: ServeWorkersOptions) {
    this.#options = options;
    const { options: flags, count, logger, catalogue, store, fleet, tracing } = options;
    const history = new History(store.history, logger, { keeps: flags.eventHistory });
    this.#streams = new DialledStreams({
      count,
      has: (worker) => this.#workers.peerOf(worker) !== undefined,
      send: (worker, id, message) => this.#workers.peerOf(worker)?.tell("stream", [id, message]),
      recall: (worker, id) => this.#workers.peerOf(worker)?.tell("recallCredit", [id]),
      end: (worker, id, reason, properly) =>
        this.#workers.peerOf(worker)?.tell("streamEnded", [id, reason, properly]),
    });
    this.#leases = fleet && new WorkerLeases((component, movable) => fleet.own(component, movable));
    const data: Pick<WorkerData, "options" | "memoryBudget" | "log" | "fleet"> = {
      fleet: fleet && { replica: fleet.replica, singleton: fleet.singleton },
      ...{ options: flags, memoryBudget: Math.floor(flags.memoryBudget / count) },
      log: { color: wantsColor(process.stdout), date: !process.stdout.isTTY },
    };
    this.#workers = new Workers({
      ...{ count, logger, store, leases: this.#leases, history },
      onHopeless: options.onHopeless,
      accept: (connection) => this.#server?.accept(connection),
      file: workerFile(),
      data: (worker) => ({
        ...{ ...data, tracing: tracing(), addresses: this.#ports?.addressesOf(worker) ?? [] },
      }),
      log: (line) => standardOutput().write(line),
      streams: this.#streams,
    });
    this.#runtime = new WorkersRuntime({
      ...{ workers: this.#workers, history, maxConcurrency: flags.appMaxConcurrency },
      types: new ComponentTypes(catalogue.loaded, stateStores),
      allBindings: () => catalogue.all(),
    });
    this.runtime = this.#runtime.runtime;
    this.#endPauses = store.pauses.watch((component, pause) => {
      for (const worker of this.#workers.numbers)
        this.#workers.peerOf(worker)?.tell("pauseChanged", [component, pause]);
    });
  }

  /** Adds what the workers count. */
  addMetrics(metrics: Metrics): void {
    addWorkerMetrics(this.#workers, metrics);
  }

  /** Starts the workers, which listen and hand to the server what they do not answer themselves. */
  async serveBefore(server: CufflinkServer, tls: TlsMaterial | undefined): Promise<CufflinkServer> {
    this.#server = server;
    this.#workers.tls = tls;
    let ports: readonly number[];
    try {
      ports = await this.#start();
    } catch (error) {
      await this.close();
      await server.close(0);
      throw error;
    }
    return {
      ...server,
      ports,
      setTls: (next) => {
        server.setTls(next);
        this.#workers.tls = next;
        void this.#workers.each(({ peer }) => peer.call("setTls", [next]));
      },
      close: async (deadline) => {
        const ended = this.#workers.each(({ peer }) => peer.call("closeServer", [deadline]));
        await Promise.all([ended, server.close(deadline)]);
      },
    };
  }

  async #start(): Promise<readonly number[]> {
    const { options, logger, count } = this.#options;
    const ports = await reservePorts(await addressesOf(options), count);
    this.#ports = ports;
    if (!ports.isShared)
      logger.info({ reason: ports.why }, "one worker takes all connections; calls run in it alone");
    await ports.free();
    await this.#workers.start(async (worker, thread) => {
      await this.#runtime.begin(worker, thread);
      await thread.peer.call("listen", []);
    });
    await this.#workers.look();
    return ports.numbers;
  }

  /** The app, as far as the shutdown looks at it. */
  get app() {
    const [workers, streams] = [this.#workers, this.#streams];
    return {
      get available() {
        return workers.snapshots.some((one) => one?.appAvailable);
      },
      onAvailability: (listener: () => void) => workers.onChange(listener),
      async close() {
        await workers.each(({ peer }) => peer.call("closeApp", []));
        streams.endAll("the runtime ends");
      },
    };
  }

  /** See `BindingCatalogue.need`. */
  async need(
    types: readonly string[],
    waiting: ReadonlyMap<string, readonly string[]> = new Map(),
  ): Promise<void> {
    await this.#workers.need(types, waiting);
  }

  /** What is held in all threads, by who holds it. */
  memoryWith({ shares }: MemoryUse): MemoryUse {
    const all = [...shares, ...this.#workers.snapshots.flatMap((one) => one?.memory ?? [])];
    const summed = [...Map.groupBy(all, ({ name }) => name)].map(([name, same]) => ({
      name,
      used: same.reduce((sum, { used }) => sum + used, 0),
      limit: same.reduce((sum, { limit }) => sum + limit, 0),
      refusals: same.reduce((sum, { refusals }) => sum + refusals, 0),
    }));
    return { shares: summed };
  }

  /** Serves an event stream that the app has dialled. */
  subscribe(messages: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    return this.#streams.accept(messages);
  }

  /** What requests see is what the workers know now. */
  look(): Promise<void> {
    return this.#workers.look();
  }

  async close(): Promise<void> {
    this.#endPauses();
    await this.#workers.close();
    await this.#leases?.close();
    this.#ports?.close();
  }
}

/** Beside this file, in the sources as in what is built of them. */
function workerFile(): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./serve-worker.${extension}`, import.meta.url);
}
