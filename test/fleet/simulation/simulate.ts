import { LargeFleet, type Aftermath, type Evening, type SteadyState } from "./large-fleet.ts";

export type SimulationOptions = {
  readonly replicas: number;
  readonly components: number;
  readonly seed: number;
};

/** What one simulation gave. Times are milliseconds of the simulated clock. */
export type Simulated = SimulationOptions & {
  readonly start: {
    /** From the first replica's start until every component was read. */
    readonly took: number;
    readonly acquires: number;
    /** Components of the replica that has the most. */
    readonly most: number;
  };
  /** `undefined`: it takes too long to simulate. */
  readonly evened?: Evening;
  readonly steady: SteadyState;
  readonly oneKilled: Aftermath;
  readonly tenthKilled: Aftermath;
  readonly tenthCutOff: Aftermath;
  readonly leaderLost: Aftermath;
  /** How often two replicas had the same component. */
  readonly overlaps: number;
};

/** Replicas start within so long, as in a deployment. */
const startsWithin = 10_000;
/** From the loss of a leader of a stream until NATS has another: between 4 and 9 s by its election time-outs. */
const election = 6_000;
const cutOffFor = 20_000;

/** Simulates a fleet, and what happens to it. The same seed gives the same answer. */
export async function simulate(
  options: SimulationOptions,
  progress: (text: string) => void = () => undefined,
): Promise<Simulated> {
  const fleet = new LargeFleet(options);
  const step = async <Result>(what: string, run: () => Promise<Result>): Promise<Result> => {
    const began = performance.now();
    const result = await run();
    progress(`${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return result;
  };
  const tenth = Math.max(1, Math.round(options.replicas / 10));
  const took = await step("start", () => fleet.start(startsWithin));
  const start = { took, acquires: fleet.server.traffic.acquires, most: fleet.most };
  const evens = options.replicas <= 100;
  const evened = evens && { evened: await step("evened out", () => fleet.even()) };
  const steady = await step("steady", () => fleet.steady(20_000));
  const oneKilled = await step("one killed", () => fleet.killed(1));
  const tenthKilled = await step("a tenth killed", () => fleet.killed(tenth));
  const tenthCutOff = await step("a tenth cut off", () => fleet.cutOff(tenth, cutOffFor));
  const leaderLost = await step("leader lost", () => fleet.leaderLost(election));
  const overlaps = fleet.overlaps.length;
  return {
    ...{ ...options, start, ...evened, steady, oneKilled, tenthKilled, tenthCutOff, leaderLost },
    overlaps,
  };
}
