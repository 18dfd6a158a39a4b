import type { Logger } from "../binding.ts";
import type { RetryPolicy } from "../policy/retry.ts";
import type { App, Reply } from "./app.ts";
import type { Concurrency } from "./concurrency.ts";
import type { FanOut } from "./fan-out.ts";
import type { Observer } from "./observer.ts";

/** What a `Delivery` is made of. */
export type DeliveryOptions = {
  /** The component's name. */
  readonly name: string;
  readonly route: string;
  readonly app: App;
  readonly policy: RetryPolicy;
  /** `undefined`: what the app says, else {@link usualMaxInFlight}. */
  readonly maxInFlight: number | undefined;
  readonly orderKey: string;
  readonly concurrency: Concurrency;
  readonly logger: Logger;
  readonly observer: Observer;
  /** What a reply asks to be done before its event counts as handled. */
  readonly fanOut: (reply: Reply | undefined) => FanOut;
  /** Told how many unsettled events the source may have handed out. */
  readonly onCredit: (events: number) => void;
};

/** The most events of a component that the app has at one time, unless somebody says otherwise. */
export const usualMaxInFlight = 64;
