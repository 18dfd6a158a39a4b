import type { RetryPolicy } from "../../src/policy/retry.ts";
import { AttemptCounts } from "../../src/runtime/delivery/attempt-counts.ts";
import { Concurrency } from "../../src/runtime/concurrency.ts";
import type { DeliveryOptions } from "../../src/runtime/delivery/delivery-options.ts";
import { Delivery } from "../../src/runtime/delivery/delivery.ts";
import { History } from "../../src/runtime/records/history.ts";
import { silentObserver } from "../../src/runtime/observer.ts";
import type { FakeApp } from "./fake-app.ts";
import { keepingLogger } from "./source-event.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";

export const policy: RetryPolicy = {
  attempts: 3,
  initial: 100,
  max: 1000,
  multiplier: 2,
  jitter: 0,
};

type Options = Partial<DeliveryOptions> & { retry?: RetryPolicy };

/** A delivery to the app, with the credits it has told, what it has logged, and how events ended. */
export function delivering(app: FakeApp, { retry = policy, ...options }: Options = {}) {
  const logger = keepingLogger();
  const credits: number[] = [];
  const halts: string[] = [];
  const ends: string[] = [];
  const { store } = options;
  const history = new History(store?.history, logger);
  const delivery = new Delivery({
    name: "orders",
    type: "bindings.fake",
    route: "orders",
    nullAs: "empty",
    app,
    policy: { retry },
    onPolicy: () => () => undefined,
    onExhausted: { kind: "deadLetter" },
    deduplicate: undefined,
    deduplicateWindow: 60_000,
    maxInFlight: undefined,
    maxPerKey: undefined,
    orderKey: "source",
    concurrency: new Concurrency(undefined),
    memory: new MemoryBudget(2 ** 30).share("test"),
    logger,
    observer: { ...silentObserver, ended: (_, how) => void ends.push(how) },
    store,
    counts: new AttemptCounts(store?.attempts, "orders", logger),
    history,
    fanOut: () => ({ steps: [], concurrency: undefined }),
    invokeOutput: () => Promise.reject(new Error("there is no output")),
    onCredit: (events) => void credits.push(events),
    onHalt: (reason) => void halts.push(reason),
    ...options,
  });
  return { delivery, credits, halts, ends, history, logger };
}

/** The same as after a restart: with the attempts that the store knows. */
export async function deliveringAgain(app: FakeApp, options: Options = {}) {
  const counts = new AttemptCounts(options.store?.attempts, "orders", keepingLogger());
  await counts.load();
  return delivering(app, { ...options, counts });
}
