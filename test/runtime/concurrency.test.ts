import { expect, test } from "vitest";
import { Concurrency } from "../../src/runtime/concurrency.ts";

test("without a limit there is always a place", () => {
  const concurrency = new Concurrency(undefined);
  for (let n = 0; n < 1000; n++) expect(concurrency.take(() => undefined)).toBe(true);
});

test("places that come back wake who waited longest, each once", () => {
  const concurrency = new Concurrency(1);
  const woken: string[] = [];
  const waiter = (name: string) => () => {
    woken.push(name);
    concurrency.take(() => undefined);
  };
  concurrency.take(() => undefined);
  const [a, b] = [waiter("a"), waiter("b")];
  expect([concurrency.take(a), concurrency.take(b), concurrency.take(a)]).toEqual([
    false,
    false,
    false,
  ]);
  concurrency.release();
  expect(woken).toEqual(["a"]);
  concurrency.release();
  expect(woken).toEqual(["a", "b"]);
});

test("a waiter that needs no place any more leaves it to the next", () => {
  const concurrency = new Concurrency(1);
  const woken: string[] = [];
  concurrency.take(() => undefined);
  concurrency.take(() => void woken.push("idle"));
  concurrency.take(() => void woken.push("next"));
  concurrency.release();
  expect(woken).toEqual(["idle", "next"]);
});
