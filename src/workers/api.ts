import type { Answer, InboundEvent } from "../binding.ts";
import type { ResolvedProperties } from "../component.ts";
import type { PolicyParts } from "../policy/describe.ts";
import type { Resiliency } from "../policy/resiliency.ts";
import type { ComponentNames, Outcome } from "../runtime/app.ts";
import type { Examined } from "../runtime/component/examine.ts";
import type { ComponentChange, Findings } from "../runtime/component/reload.ts";
import type { Redriven } from "../runtime/delivery/redrive.ts";
import type { Invocation } from "../runtime/outputs/invocation.ts";
import type { ComponentStatus, UnfinishedEvent } from "../runtime/status.ts";
import type { TlsMaterial } from "../server/tls-files.ts";
import type { AttemptCount, DeadLetter, StoredPause } from "../store/records.ts";
import type { ReplicaRecord } from "../store/replicas.ts";
import type { MetricFamily } from "../telemetry/metric-model.ts";
import type { Ended } from "./remote-history.ts";
import type { Placement } from "./placement.ts";
import type { ToldLease } from "./remote-fleet.ts";
import type { StoreCall } from "./remote-store.ts";
import type { SpecMessage } from "./spec-message.ts";

/** What a worker knows at one moment. */
export type Snapshot = {
  readonly components: readonly ComponentStatus[];
  readonly policies: ReadonlyMap<string, PolicyParts>;
  readonly memory: readonly {
    readonly name: string;
    readonly used: number;
    readonly limit: number;
    readonly refusals: number;
  }[];
  /** Whether the app's port can be reached. */
  readonly appAvailable: boolean;
};

export type Applied = {
  readonly specs: readonly SpecMessage[];
  /** Of all components of the process, by name. */
  readonly placements: ReadonlyMap<string, Placement>;
  /** Of all components, for the one worker that compares them with what the app subscribes to. */
  readonly names: ComponentNames | undefined;
  readonly findings: Findings;
  /** Whose inputs are paused in this process alone. */
  readonly drained: readonly string[];
};

/** A call of an output, as it goes from thread to thread. */
export type InvocationMessage = Omit<Invocation, "signal" | "deadline"> & {
  /** Milliseconds that are left. */
  readonly left: number | undefined;
};

export type TestEvent = Pick<InboundEvent, "data" | "metadata" | "headers">;

/** What the parent asks of a worker. */
export type WorkerApi = {
  /** Listens where the process does. */
  listen(): void;
  need(types: readonly string[], waiting: ReadonlyMap<string, readonly string[]>): void;
  apply(applied: Applied): readonly ComponentChange[];
  applyPolicies(resiliency: Resiliency | undefined): void;
  setTls(tls: TlsMaterial): void;
  snapshot(): Snapshot;
  metrics(deprecated: boolean): readonly MetricFamily[];
  pause(name: string, reason: string, by: string | undefined): void;
  resume(name: string): void;
  restart(name: string): void;
  drainComponent(name: string, deadline: number): { abandoned: number };
  drainInputs(deadline: number): { abandoned: number };
  examine(name: string, timeout: number): Examined;
  invoke(call: InvocationMessage): Answer | undefined;
  emit(name: string, event: TestEvent): Outcome;
  redrive(deadLetter: DeadLetter): Redriven;
  deadLetterRemoved(deadLetter: DeadLetter): void;
  /** Another worker that reads the component notes an attempt; without a count, one has ended. */
  attemptNoted(component: string, count: AttemptCount | undefined): void;
  /** Another replica has paused an input, or resumed it. */
  pauseChanged(component: string, pause: StoredPause | undefined): void;
  /** See `RemoteFleet.told`. */
  lease(id: number, lease: ToldLease): void;
  unfinished(eventId: string, component: string | undefined): readonly UnfinishedEvent[];
  /** Somebody watches the events' payloads, or nobody does any more. */
  watched(isWatched: boolean): void;
  /** See `ThreadStreams`. */
  stream(id: number, message: Uint8Array): void;
  recallCredit(id: number): void;
  streamEnded(id: number, reason: string, properly: boolean): void;
  drain(deadline: number): { abandoned: number };
  close(deadline: number): void;
  closeApp(): void;
  closeServer(deadline: number): void;
};

/** What a worker asks of the parent. */
export type ParentApi = {
  /** It can be asked now. */
  begun(): void;
  log(line: string): void;
  resolve(spec: number, only: readonly string[] | undefined): ResolvedProperties;
  /** Resolves to the fingerprint after {@link import("../component.ts").ComponentSpec.prepare}. */
  prepare(spec: number): string | undefined;
  /** Nothing uses the definition any more. */
  forget(spec: number): void;
  store(call: StoreCall): unknown;
  /** Has the process ask for a component's lease, whose term comes to be in the memory; `id`: this worker's own name for it. */
  own(id: number, component: string, memory: SharedArrayBuffer, movable: boolean): void;
  /** See `Ownership.readingEnded`. */
  readingEnded(id: number): void;
  /** Resolves once it is given up. */
  release(id: number): void;
  /** The replicas that live. */
  replicas(): readonly ReplicaRecord[];
  /** See `CheckedStore.doubt`. */
  doubt(stream: string | undefined): string | undefined;
  ended(events: readonly Ended[]): void;
  /** See `DialledStreams`. */
  batch(id: number, bytes: Uint8Array, events: number): void;
  creditNeeded(id: number): void;
  creditReturned(id: number, credit: number): void;
  /** A component has another state, or the app came or went. */
  changed(): void;
  /** Has another worker make the call. */
  invoke(worker: number, call: InvocationMessage): Answer | undefined;
  /** See `WorkerSide.agree`; `failure`: why it is not proved in this worker. */
  agree(component: string, failure: { reason: string; message: string } | undefined): void;
};
