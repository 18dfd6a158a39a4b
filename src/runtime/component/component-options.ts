import type { AnyBinding, HttpEndpoints } from "../../binding.ts";
import type { ComponentSpec } from "../../component.ts";
import type { DriversFolder } from "../../drivers.ts";
import type { Policies } from "../../policy/policies.ts";
import type { App } from "../app.ts";
import type { ConcurrencyLimit } from "../concurrency.ts";
import type { DeliveryOptions } from "../delivery/delivery-options.ts";
import type { MakeFanOut } from "../delivery/fan-out.ts";
import type { Observer } from "../observer.ts";
import type { WorkerSide } from "../worker-side.ts";
import type { Fleet } from "../ownership.ts";
import type { Relay } from "../relay.ts";
import type { RuntimeLogger } from "../runtime-logger.ts";

/** What a `Component` is made of. */
export type ComponentOptions = {
  readonly appId: string;
  readonly spec: ComponentSpec;
  readonly binding: AnyBinding;
  readonly app: App | undefined;
  readonly logger: RuntimeLogger;
  readonly observer: Observer;
  readonly http: HttpEndpoints;
  readonly concurrency: ConcurrencyLimit;
  /** Where drivers are looked for too. */
  readonly driversFolder: DriversFolder;
  /** Whether bindings may run programs. */
  readonly allowExec: boolean;
  /** What Resiliency says; absent: there is none. */
  readonly policies?: Policies | undefined;
  readonly fanOut: MakeFanOut;
  /** Who tells where its events are read. Absent: here. */
  readonly worker?: Pick<WorkerSide, "reads" | "share"> | undefined;
  readonly fleet: Fleet | undefined;
  /** Absent: nothing can be relayed. */
  readonly relay: Relay | undefined;
} & Pick<DeliveryOptions, "store" | "history" | "invokeOutput" | "loops" | "memory" | "tracer">;
