import { BindingError } from "../errors.ts";

/** Who has a lease. */
export type LeaseHolder = {
  readonly replica: string;
  /** Since when it is the owner, by the store's clock, in milliseconds since 1970. */
  readonly since: number;
};

export type LeaseGrant = {
  readonly name: string;
  readonly holder: LeaseHolder;
  /** The fencing token: it grows with each take-over, and stays at a renewal. */
  readonly epoch: number;
  /** What the next renewal expects. It changes with each renewal. */
  readonly revision: number;
  /** The store's clock at this grant or renewal, in milliseconds since 1970. */
  readonly storeTime: number;
};

export type LeaseAttempt =
  | { readonly state: "granted"; readonly grant: LeaseGrant }
  /** `holder` is `undefined` where another one was faster, and is not known yet. */
  | { readonly state: "held"; readonly holder: LeaseHolder | undefined };

/** A replica that has fewer leases asks the owner of one to hand it over. */
export type HandOverRequest = {
  /** Of the lease. */
  readonly name: string;
  readonly owner: string;
  /** The replica that asks. */
  readonly successor: string;
};

export type HandOverStore = {
  /** Asks for so many milliseconds. Resolves to false where another replica asks for the same lease already. */
  request(request: HandOverRequest, ttl: number): Promise<boolean>;
  /** Tells of each request; first of those that are there, and of the end of each. The result ends that. */
  watch(changed: (request: HandOverRequest, isThere: boolean) => void): () => void;
};

/** Leases of names of components: one replica has each. Times to live are in milliseconds. */
export type LeaseStore = {
  /**
   * Takes the lease unless another replica has it; this replica's own, of an earlier process, is taken over. From then
   * on each write of this process about the component `name` is refused (`aborted`) once another has taken the lease.
   */
  acquire(name: string, replica: string, ttl: number): Promise<LeaseAttempt>;
  /**
   * Rejects with a `BindingError`: `aborted` where the lease has run out or is another's by now, and so lost for good;
   * `unavailable` where nobody knows, to be tried again.
   */
  renew(grant: LeaseGrant, ttl: number): Promise<LeaseGrant>;
  /**
   * Gives it up, so that another gets it at once; writes of this process about the component are refused for it no more.
   * Best effort: never rejects.
   */
  release(grant: LeaseGrant): Promise<void>;
  /** Tells of each change, and first of what is there now. The result ends that. */
  watch(changed: (name: string, holder: LeaseHolder | undefined) => void): () => void;
  /** Absent where one process has the store alone. */
  readonly handOvers?: HandOverStore | undefined;
};

/** Why a lease cannot be renewed, for good. */
export function lostLease(name: string, holder: LeaseHolder | undefined): BindingError {
  const why = holder === undefined ? "it has run out" : `replica ${holder.replica} has it by now`;
  return new BindingError("aborted", `the lease of ${name} is lost: ${why}`);
}
