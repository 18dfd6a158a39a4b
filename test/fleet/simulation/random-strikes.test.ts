import { expect, test } from "vitest";
import { ReplicaFleet } from "../../../src/fleet/replica-fleet.ts";
import type { Ownership } from "../../../src/runtime/ownership.ts";
import { quietLogger } from "./quiet-logger.ts";
import { SimulatedLeaseServer } from "./simulated-lease-store.ts";
import { Machine, SimulatedWorld } from "./world.ts";

type Replica = {
  readonly name: string;
  readonly machine: Machine;
  readonly fleet: ReplicaFleet;
  readonly owns: readonly Ownership[];
};

const components = ["orders", "mail", "ticks"];

/** Three replicas to which anything may happen at any time; a network that may be slow and lose messages. */
class Trial {
  readonly world: SimulatedWorld;
  readonly #server: SimulatedLeaseServer;
  readonly #replicas: Replica[] = [];

  constructor(seed: number) {
    this.world = new SimulatedWorld(seed);
    const { random } = this.world;
    this.#server = new SimulatedLeaseServer(this.#machine(), {
      loss: random() < 0.3 ? 0.05 * random() : 0,
      latency: [0.2, random() < 0.2 ? 300 * random() : 2],
    });
    for (let count = 0; count < 3; count++) this.#start();
  }

  /** One strike, and a while in which it may do harm. */
  async strike(): Promise<void> {
    const { random } = this.world;
    const alive = this.#alive;
    const { machine, fleet } = alive[Math.floor(random() * alive.length)] as Replica;
    const which = random();
    if (which < 0.1 && alive.length > 1) {
      machine.kill();
      this.#start();
    } else if (which < 0.25) {
      this.#server.cut(machine);
      this.world.plan(random() * 15_000, () => this.#server.join(machine));
    } else if (which < 0.4) {
      machine.freeze();
      this.world.plan(random() * 15_000, () => machine.thaw());
    } else if (which < 0.5) {
      this.#server.loseLeader();
      this.world.plan(random() * 9_000, () => this.#server.elect());
    } else if (which < 0.6) {
      machine.reach(() => void fleet.close());
      this.world.plan(500, () => machine.kill());
      this.#start();
    }
    await this.pass(random() * 4_000);
  }

  /** All strikes end. */
  heal(): void {
    for (const { machine } of this.#alive) {
      machine.thaw();
      this.#server.join(machine);
    }
    this.#server.elect();
  }

  async pass(milliseconds: number): Promise<void> {
    await this.world.pass(milliseconds, () => {
      for (const name of components) {
        const holders = this.holders(name);
        if (holders.length > 1)
          throw new Error(`at ${this.world.now} ms ${holders.join(" and ")} hold ${name} both`);
      }
    });
  }

  /** The replicas that would dispatch and settle events of a component at this moment. */
  holders(component: string): string[] {
    const index = components.indexOf(component);
    return this.#alive
      .filter(({ machine }) => !machine.frozen)
      .filter(({ machine, owns }) => machine.run(() => owns[index]?.held === true))
      .map(({ name }) => name);
  }

  get #alive(): Replica[] {
    return this.#replicas.filter(({ machine }) => !machine.dead);
  }

  #start(): void {
    const machine = this.#machine();
    const name = `replica-${this.#replicas.length}`;
    machine.reach(() => {
      const fleet = new ReplicaFleet({
        ...{ leases: this.#server.connect(machine), replica: name, singleton: true },
        ...{ logger: quietLogger, random: this.world.random },
      });
      fleet.start();
      const owns = components.map((component) => fleet.own(component));
      this.#replicas.push({ name, machine, fleet, owns });
    });
  }

  /** Clocks of any hour, whose rates are 0.1 % off at most. */
  #machine(): Machine {
    const { random } = this.world;
    const [rate, offset] = [1 + (random() - 0.5) / 500, (random() - 0.5) * 7_200_000];
    return new Machine(this.world, { rate, offset });
  }
}

test.each(Array.from({ length: 40 }, (_, index) => index + 1))(
  "whatever happens, a component has one owner at most, and one again in the end: seed %i",
  async (seed) => {
    const trial = new Trial(seed);
    for (let count = 0; count < 40; count++) await trial.strike();
    trial.heal();
    await trial.pass(20_000);
    for (const component of components) {
      // Where messages are lost an owner may be between two leases.
      for (let wait = 0; wait < 20 && trial.holders(component).length === 0; wait++)
        await trial.pass(500);
      expect(trial.holders(component)).toHaveLength(1);
    }
  },
);
