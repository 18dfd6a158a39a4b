import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Delivery as Delivered, Intake, Outcome } from "../../../src/runtime/app.ts";
import type { OnExhausted } from "../../../src/runtime/delivery/on-exhausted.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { deliveringAgain, policy } from "../delivering.ts";
import { FakeApp, handled, refused } from "../fake-app.ts";
import { settled, sourceEvent } from "../source-event.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The same numbers for the same seed: 0 to below `most`. */
function numbersFrom(seed: number): (most: number) => number {
  let state = seed;
  return (most) => (state = (state * 48_271) % 2_147_483_647) % most;
}

/** Of the keys' events each thirteenth is never handled. */
function isPoison(id: string): boolean {
  return Number(id.split(":")[1]) % 13 === 5;
}

/** Answers anything, late, and passes over the rest of a lane behind what it refused. */
class RandomApp extends FakeApp {
  readonly intake: Intake | undefined;
  /** What it has handled, key by key, in order. */
  readonly seen = new Map<string, number[]>();
  readonly #last = new Map<number, Promise<unknown>>();
  readonly #refusedIn = new Map<number, number>();
  readonly #random: (most: number) => number;

  constructor(random: (most: number) => number, pipelines: boolean) {
    super();
    this.#random = random;
    const takes = (): "now" | "lane waits" => (random(9) === 0 ? "lane waits" : "now");
    this.intake = pipelines ? { takes, onRoom: () => () => undefined, maxInFlight: 50 } : undefined;
  }

  override async deliver(delivery: Delivered): Promise<Outcome> {
    const { number = 0, epoch = 0 } = delivery.lane ?? {};
    const before = this.#last.get(number) ?? Promise.resolve();
    const outcome = before.then(async (): Promise<Outcome> => {
      if (this.#refusedIn.get(number) === epoch) return { kind: "not attempted" };
      await new Promise((resolve) => setTimeout(resolve, this.#random(30)));
      const answer = this.#answer(delivery);
      if (answer.kind === "refused" || answer.kind === "unsent") this.#refusedIn.set(number, epoch);
      return answer;
    });
    this.#last.set(number, outcome);
    return outcome;
  }

  #answer({ data }: Delivered): Outcome {
    const [key = "", number = ""] = String(data).split(":");
    const mood = this.#random(20);
    if (isPoison(String(data)) || mood < 3) return refused();
    if (mood === 3) return { kind: "unsent", reason: "reset" };
    if (mood === 4) return { kind: "refused", reason: "never", final: true };
    if (mood === 5) throw new Error("what is this?");
    this.seen.set(key, [...(this.seen.get(key) ?? []), Number(number)]);
    return handled;
  }
}

const cases = [1, 2].flatMap((seed) =>
  [true, false].flatMap((pipelines) =>
    (["deadLetter", "drop", "return"] as const).map(
      (kind) => [seed, pipelines ? "pipelining" : "one by one", kind] as const,
    ),
  ),
);

test.each(cases)(
  "storm %i, %s, %s: each event ends once, in order, whatever app and store do and whenever the runtime starts anew",
  async (seed, how, kind) => {
    const random = numbersFrom(seed * 7919);
    const store = new MemoryStore();
    const app = new RandomApp(random, how === "pipelining");
    const onExhausted: OnExhausted = { kind };
    const options = {
      ...{ store, onExhausted, maxInFlight: 20, maxPerKey: 3 },
      ...(seed % 2 === 0 ? { deduplicate: "id" as const } : {}),
      retry: { ...policy, initial: 10, max: 100, attempts: 3 },
    };
    let left = Array.from({ length: 400 }, (_, n) => `${n % 11}:${Math.floor(n / 11)}`);
    for (let life = 0; left.length > 0 && life < 100; life++) {
      const { delivery } = await deliveringAgain(app, options);
      const events = left.map((id) => sourceEvent(id, { key: id.split(":")[0] }));
      for (let at = 0; at < events.length; at += 40)
        void delivery.deliver(events.slice(at, at + 40));
      for (let turn = 0; turn < 60; turn++) {
        store.trouble = random(4) === 0 ? "disk full" : undefined;
        await vi.advanceTimersByTimeAsync(50);
      }
      store.trouble = undefined;
      const drained = delivery.drain(10_000);
      await vi.advanceTimersByTimeAsync(10_000);
      await drained;
      await settled();
      expect(events.map(({ settlements }) => settlements.length)).toEqual(events.map(() => 1));
      expect([delivery.inFlight, delivery.waiting, delivery.blockage]).toEqual([0, 0, undefined]);
      left = events
        .filter(({ settlements: [one] }) => one?.outcome === "returned")
        .map(({ id = "" }) => id)
        // What comes back again and again is somebody else's in the end.
        .filter((id) => kind !== "return" || life < 10 || !isPoison(id));
    }
    expect(left).toEqual([]);
    const deadLettered = new Set(
      [...store.stored.values()].map(({ deadLetter }) => deadLetter.event.id),
    );
    expect(store.stored.size).toBe(deadLettered.size);
    for (const [key, numbers] of kind === "deadLetter" ? app.seen : []) {
      for (let number = 0; number < Math.ceil((400 - Number(key)) / 11); number++)
        expect(numbers.includes(number) || deadLettered.has(`${key}:${number}`)).toBe(true);
      expect(new Set(numbers).size).toBe(numbers.length);
      expect(numbers.toSorted((one, other) => one - other)).toEqual(numbers);
    }
  },
);
