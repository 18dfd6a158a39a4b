import { BindingError } from "../../../src/errors.ts";
import type {
  HandOverRequest,
  LeaseAttempt,
  LeaseGrant,
  LeaseHolder,
  LeaseStore,
} from "../../../src/store/leases.ts";
import type { Machine, Planned, SimulatedWorld } from "./world.ts";

export type NetworkOptions = {
  /** One way, in milliseconds: at least, and the mean of what comes on top, which is distributed exponentially. */
  readonly latency?: readonly [least: number, more: number];
  /** The share of messages that are lost, each way. */
  readonly loss?: number;
  /** The client gives a request up after so long, in milliseconds. */
  readonly timeout?: number;
  /** The most that the server takes to see that a lease has run out, in milliseconds. */
  readonly expiry?: number;
};

type Record = {
  holder: LeaseHolder;
  epoch: number;
  revision: number;
  ends: number;
  timer: Planned;
};
type Watcher = {
  readonly machine: Machine;
  readonly changed: (name: string, holder: LeaseHolder | undefined) => void;
  readonly requested: (request: HandOverRequest, isThere: boolean) => void;
  readonly oneWay: () => number;
  /** Messages that its connection holds. */
  readonly held: (() => void)[];
  /** What was sent last arrives then. */
  arrives: number;
};

/** How many requests of which kind came to the server, and what it told. */
export type Traffic = {
  acquires: number;
  renewals: number;
  releases: number;
  /** For hand-overs. */
  requests: number;
  /** Each is a message to each replica that watches, though nothing changes. */
  renewalsTold: number;
  notices: number;
};

/**
 * Leases as one stream of a NATS cluster keeps them, on a simulated network: what the cluster's clock says, with
 * latency, loss, partitions and a time without a leader.
 */
export class SimulatedLeaseServer {
  readonly world: SimulatedWorld;
  readonly machine: Machine;
  readonly traffic: Traffic = {
    ...{ acquires: 0, renewals: 0, releases: 0, requests: 0, renewalsTold: 0, notices: 0 },
  };
  readonly #latency: readonly [number, number];
  readonly #loss: number;
  readonly #timeout: number;
  readonly #expiry: number;
  readonly #records = new Map<string, Record>();
  readonly #requests = new Map<string, HandOverRequest>();
  readonly #watchers = new Set<Watcher>();
  readonly #cutOff = new Set<Machine>();
  #epochs = 0;
  #revisions = 0;
  #hasLeader = true;

  /** `machine`: its clock is the store's. */
  constructor(machine: Machine, network: NetworkOptions = {}) {
    this.world = machine.world;
    this.machine = machine;
    this.#latency = network.latency ?? [0.2, 0.8];
    this.#loss = network.loss ?? 0;
    this.#timeout = network.timeout ?? 2_000;
    this.#expiry = network.expiry ?? 1_000;
  }

  /** Nobody answers until {@link SimulatedLeaseServer.elect}. */
  loseLeader(): void {
    this.#hasLeader = false;
  }

  elect(): void {
    this.#hasLeader = true;
    for (const [name, record] of this.#records) this.#expireLater(name, record);
  }

  /** No message passes between the machine and the server, until {@link SimulatedLeaseServer.join}. */
  cut(machine: Machine): void {
    this.#cutOff.add(machine);
  }

  join(machine: Machine): void {
    this.#cutOff.delete(machine);
    for (const watcher of this.#watchers)
      if (watcher.machine === machine) for (const send of watcher.held.splice(0)) send();
  }

  /** Who has it, as the server knows it. */
  holder(name: string): LeaseHolder | undefined {
    return this.#records.get(name)?.holder;
  }

  epoch(name: string): number | undefined {
    return this.#records.get(name)?.epoch;
  }

  /** A connection of a process on the machine. `latency`: its own, as {@link NetworkOptions.latency}. */
  connect(machine: Machine, latency = this.#latency): LeaseStore {
    const oneWay = (): number => this.#oneWay(latency);
    const ask = <Result>(answer: () => Result): Promise<Result> =>
      this.#ask(machine, oneWay, answer);
    /** Told on the watch of the leases, in one order with them. */
    let requested: Watcher["requested"] = () => undefined;
    return {
      acquire: (name, replica, ttl) => ask(() => this.#acquire(name, replica, ttl)),
      renew: (grant, ttl) => ask(() => this.#renew(grant, ttl)),
      release: async (grant) => {
        await ask(() => this.#release(grant)).catch(() => undefined);
      },
      watch: (changed) => {
        const own: Watcher = {
          ...{ machine, changed, oneWay, held: [], arrives: 0 },
          requested: (request, isThere) => requested(request, isThere),
        };
        this.#watchers.add(own);
        for (const [name, { holder }] of this.#records)
          this.#notify(own, () => own.changed(name, holder));
        return () => void this.#watchers.delete(own);
      },
      handOvers: {
        request: (request, ttl) => ask(() => this.#request(request, ttl)),
        watch: (changed) => {
          requested = changed;
          return () => (requested = () => undefined);
        },
      },
    };
  }

  #acquire(name: string, replica: string, ttl: number): LeaseAttempt {
    this.traffic.acquires++;
    const record = this.#records.get(name);
    if (record !== undefined && record.holder.replica !== replica)
      return { state: "held", holder: record.holder };
    record?.timer.cancel();
    const storeTime = this.machine.time;
    const holder: LeaseHolder = { replica, since: storeTime };
    const epoch = ++this.#epochs;
    const revision = ++this.#revisions;
    const taken: Record = {
      ...{ holder, epoch, revision, ends: storeTime + ttl },
      timer: { cancel: () => undefined },
    };
    this.#records.set(name, taken);
    this.#expireLater(name, taken);
    this.#tell(name, holder);
    return { state: "granted", grant: { name, holder, epoch, revision, storeTime } };
  }

  #renew(grant: LeaseGrant, ttl: number): LeaseGrant {
    this.traffic.renewals++;
    this.traffic.renewalsTold += this.#watchers.size;
    const { name, holder, epoch } = grant;
    const record = this.#records.get(name);
    if (record === undefined || record.epoch !== epoch)
      throw new BindingError("aborted", `the lease of ${name} is another's`);
    const storeTime = this.machine.time;
    record.ends = storeTime + ttl;
    record.revision = ++this.#revisions;
    this.#expireLater(name, record);
    return { name, holder, epoch, revision: record.revision, storeTime };
  }

  #release(grant: LeaseGrant): void {
    this.traffic.releases++;
    const record = this.#records.get(grant.name);
    if (record === undefined || record.epoch !== grant.epoch) return;
    record.timer.cancel();
    this.#records.delete(grant.name);
    this.#tell(grant.name, undefined);
  }

  #expireLater(name: string, record: Record): void {
    record.timer.cancel();
    const late = this.world.random() * this.#expiry;
    record.timer = this.machine.clock.start(
      () => {
        if (!this.#hasLeader) return;
        this.#records.delete(name);
        this.#tell(name, undefined);
      },
      Math.max(0, record.ends - this.machine.time) + late,
      false,
    );
  }

  #request(request: HandOverRequest, ttl: number): boolean {
    this.traffic.requests++;
    const { name } = request;
    if (this.#requests.has(name)) return false;
    this.#requests.set(name, request);
    const tell = (isThere: boolean): void => {
      for (const watcher of this.#watchers)
        this.#notify(watcher, () => watcher.requested(request, isThere));
    };
    tell(true);
    const end = (): void => {
      this.#requests.delete(name);
      tell(false);
    };
    this.machine.clock.start(end, ttl + this.world.random() * this.#expiry, false);
    return true;
  }

  #tell(name: string, holder: LeaseHolder | undefined): void {
    for (const watcher of this.#watchers)
      this.#notify(watcher, () => watcher.changed(name, holder));
  }

  /** In order, and as often as it takes: a consumer asks for what it has missed. */
  #notify(watcher: Watcher, run: () => void): void {
    this.traffic.notices++;
    const { machine } = watcher;
    const send = (): void => {
      const { now } = this.world;
      watcher.arrives = Math.max(watcher.arrives, now + watcher.oneWay());
      this.world.plan(watcher.arrives - now, () => {
        if (this.#cutOff.has(machine)) return void watcher.held.push(send);
        machine.reach(() => this.#watchers.has(watcher) && run());
      });
    };
    if (this.#cutOff.has(machine)) watcher.held.push(send);
    else send();
  }

  #oneWay([least, more]: readonly [number, number]): number {
    return least - Math.log(1 - this.world.random()) * more;
  }

  #passes(machine: Machine): boolean {
    return !this.#cutOff.has(machine) && this.world.random() >= this.#loss;
  }

  /** A request and its answer. What the process does next it does on its machine. */
  #ask<Result>(machine: Machine, oneWay: () => number, answer: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      const timer = machine.clock.start(
        () => reject(new BindingError("unavailable", "the store did not answer in time")),
        this.#timeout,
        false,
      );
      const sendBack = (settle: () => void): void => {
        if (!this.#passes(machine)) return;
        this.world.plan(oneWay(), () => {
          if (this.#cutOff.has(machine)) return;
          machine.reach(() => {
            timer.cancel();
            settle();
          });
        });
      };
      if (!this.#passes(machine)) return;
      this.world.plan(oneWay(), () => {
        if (!this.#hasLeader || this.#cutOff.has(machine)) return;
        try {
          const result = answer();
          sendBack(() => resolve(result));
        } catch (error) {
          sendBack(() => reject(error));
        }
      });
    });
  }
}
