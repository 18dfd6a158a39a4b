/** The times that a lease goes by, in milliseconds. */
export type LeaseTimes = {
  /** How long a lease lasts without a renewal. Stores count whole seconds. */
  readonly ttl: number;
  /** From one renewal to the next. */
  readonly renewAfter: number;
  /** A renewal without an answer for so long is sent again. */
  readonly attempt: number;
  /** The pause before a failed renewal is sent again. */
  readonly retry: number;
  /** An owner stops reading so long before its lease ends. */
  readonly stopBefore: number;
  /** A replica waits at random up to this before it asks for a lease that nobody has, and asks no more once it is told of an owner. */
  readonly spread: number;
  /** A replica asks so often for one of the leases that others have, in case it was not told; plus up to as much. */
  readonly look: number;
};

/**
 * What clocks of two machines may differ in their rates, as a share: the owner counts its lease shorter by this. NTP
 * slews by 0.05 %, and crystals are off by 0.02 % at most.
 */
export const clockDrift = 0.005;

/**
 * Three seconds: a replica that dies right after a renewal is followed within `ttl`, a second until the store has seen it, and
 * the round trips of the next owner, so in less than five seconds. A third of it between renewals leaves room for two
 * failed ones.
 */
export const leaseTimes: LeaseTimes = {
  ttl: 3_000,
  renewAfter: 1_000,
  attempt: 700,
  retry: 150,
  stopBefore: 500,
  spread: 250,
  look: 30_000,
};
