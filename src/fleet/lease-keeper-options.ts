import type { Logger } from "../logger.ts";
import type { LeaseStore } from "../store/leases.ts";
import type { RenewalRounds } from "./renewal-rounds.ts";
import type { StoreClock } from "./store-clock.ts";
import type { LeaseTimes } from "./times.ts";

export type LeaseKeeperOptions = {
  readonly leases: LeaseStore;
  /** The component. */
  readonly name: string;
  readonly replica: string;
  readonly logger: Logger;
  /** Of all keepers of the process, as these. */
  readonly storeClock?: StoreClock;
  readonly rounds?: RenewalRounds;
  readonly times?: LeaseTimes;
  /** From 0 to 1. Default: `Math.random`. */
  readonly random?: () => number;
  /** Called after `held`, or the reason, has changed. */
  readonly changed: () => void;
  /** Called after a renewal. */
  readonly renewed?: () => void;
  /** The replica to which its owner hands the lease over, as far as is known. */
  readonly successor?: () => string | undefined;
};
