import type { RetryPolicy } from "../../src/policy/retry.ts";
import { Concurrency } from "../../src/runtime/concurrency.ts";
import type { DeliveryOptions } from "../../src/runtime/delivery-options.ts";
import { Delivery } from "../../src/runtime/delivery.ts";
import { silentObserver } from "../../src/runtime/observer.ts";
import type { FakeApp } from "./fake-app.ts";
import { keepingLogger } from "./source-event.ts";

export const policy: RetryPolicy = {
  attempts: 3,
  initial: 100,
  max: 1000,
  multiplier: 2,
  jitter: 0,
};

/** A delivery to the app, with the credits it has told and what it has logged. */
export function delivering(app: FakeApp, options: Partial<DeliveryOptions> = {}) {
  const logger = keepingLogger();
  const credits: number[] = [];
  const delivery = new Delivery({
    name: "orders",
    route: "orders",
    app,
    policy,
    maxInFlight: undefined,
    orderKey: "source",
    concurrency: new Concurrency(undefined),
    logger,
    observer: silentObserver,
    fanOut: () => ({ steps: [], concurrency: undefined }),
    onCredit: (events) => void credits.push(events),
    ...options,
  });
  return { delivery, credits, logger };
}
