import { expect, test } from "vitest";
import { loggedTicks } from "./logged-ticks.ts";

const line = (msg: string, more: object): string =>
  JSON.stringify({ msg, component: "tick", ...more });
const row = (first: number, last: number): object => ({
  first: new Date(first * 1000).toISOString(),
  last: new Date(last * 1000).toISOString(),
});

test("of ticks that were dropped in a row the log says the first and the last", () => {
  const logged = loggedTicks([
    "(node:1) a warning",
    line("ticks are dropped, none is handled", row(10, 10)),
    line("ticks are dropped, none is handled", row(20, 20)),
    line("ticks were dropped", { component: "another", ...row(20, 27) }),
    line("ticks were dropped", row(20, 22)),
    line("ticks are dropped, none is handled", row(40, 40)),
  ]);
  expect([...logged].filter((uuid) => !uuid.startsWith("another"))).toEqual(
    [10, 20, 21, 22, 40].map((second) => `tick-${second}`),
  );
});
