import { vi } from "vitest";
import type { Logger } from "../../src/binding.ts";
import type { App, Delivery } from "../../src/runtime/app.ts";

/** One event on its first attempt, but for what the test says. */
export function delivery(over: Partial<Delivery> = {}): Delivery {
  return {
    name: "orders",
    route: "orders",
    lane: undefined,
    key: undefined,
    id: undefined,
    data: Buffer.from("hello"),
    nullAs: "empty",
    metadata: {},
    headers: [],
    trace: {},
    attempt: 1,
    attempts: undefined,
    lastError: undefined,
    ...over,
  };
}

export const never = new AbortController().signal;

/** Waits until the app is available, or is not. */
export function untilAvailable(app: App, available = true): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (app.available !== available) return;
      end();
      resolve();
    };
    const end = app.onAvailability(check);
    check();
  });
}

export type SpiedLogger = Logger & { readonly warnings: () => unknown[][] };

export function spiedLogger(): SpiedLogger {
  const warn = vi.fn<Logger["warn"]>();
  const ignore = (): void => {};
  return { debug: ignore, info: ignore, warn, error: ignore, warnings: () => warn.mock.calls };
}

/** All byte values. */
export const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
