import type { WorkerSide } from "../worker-side.ts";
import type { BindingError } from "../../errors.ts";
import type { Notice, Reader } from "../../binding.ts";
import type { ComponentPolicies } from "../../policy/component-policies.ts";
import type { App } from "../app.ts";
import type { DeliveryOptions } from "../delivery/delivery-options.ts";
import type { MakeFanOut } from "../delivery/fan-out.ts";
import type { Fleet } from "../ownership.ts";
import type { Relay } from "../relay.ts";
import type { ComponentCode } from "./component-code.ts";
import type { SubscriptionState } from "./subscription.ts";

/** What an input is made of. */
export type InputOptions = Pick<
  DeliveryOptions,
  | ("name" | "type" | "logger" | "observer" | "concurrency" | "store" | "history")
  | ("invokeOutput" | "loops" | "memory" | "tracer")
> & {
  /** Absent: this process is the only replica that anybody knows of. */
  readonly fleet: Fleet | undefined;
  /** Absent: nothing can be relayed. */
  readonly relay: Relay | undefined;
  readonly appId: string;
  readonly code: Pick<ComponentCode, "binding">;
  readonly app: App | undefined;
  readonly policies: ComponentPolicies;
  readonly fanOut: MakeFanOut;
  /** Whether it is an input, as far as is known. */
  readonly isRead: () => boolean;
  /** Runs the binding's `read`, so that what fails later on its behalf is known as the component's. */
  readonly run: (read: () => Promise<Reader | undefined>) => Promise<Reader | undefined>;
  readonly notice: Notice;
  /** Told how many events came. */
  readonly received: (events: number) => void;
  /** Whether the app wants its events, and where not, why. */
  readonly onState: (state: SubscriptionState) => void;
  /** The source refuses to be read, over a connection that stays for the outputs. */
  readonly onRefused: (why: BindingError) => void;
  readonly worker?: Pick<WorkerSide, "reads" | "share"> | undefined;
};
