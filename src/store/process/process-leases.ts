import { clock } from "../../clock.ts";
import {
  lostLease,
  type LeaseAttempt,
  type LeaseGrant,
  type LeaseHolder,
  type LeaseStore,
} from "../leases.ts";
import { ExpiringValues } from "./expiring-values.ts";

/** Leases where one process has the store: each is granted at once, and kept in memory. */
export class ProcessLeases implements LeaseStore {
  readonly #grants = new ExpiringValues<LeaseGrant>();
  #number = 0;

  async acquire(name: string, replica: string, ttl: number): Promise<LeaseAttempt> {
    const known = this.#grants.get(name);
    if (known !== undefined && known.holder.replica !== replica)
      return { state: "held", holder: known.holder };
    const now = clock.now();
    const number = ++this.#number;
    const holder = { replica, since: now };
    const grant = { name, holder, epoch: number, revision: number, storeTime: now };
    this.#grants.set(name, grant, ttl);
    return { state: "granted", grant };
  }

  async renew(grant: LeaseGrant, ttl: number): Promise<LeaseGrant> {
    const { name } = grant;
    if (this.#grants.get(name)?.revision !== grant.revision)
      throw lostLease(name, this.#grants.get(name)?.holder);
    const renewed = { ...grant, revision: ++this.#number, storeTime: clock.now() };
    this.#grants.set(name, renewed, ttl);
    return renewed;
  }

  async release({ name, epoch }: LeaseGrant): Promise<void> {
    if (this.#grants.get(name)?.epoch === epoch) this.#grants.delete(name);
  }

  watch(changed: (name: string, holder: LeaseHolder | undefined) => void): () => void {
    return this.#grants.watch((name, grant) => changed(name, grant?.holder));
  }

  clear(): void {
    this.#grants.clear();
  }
}
