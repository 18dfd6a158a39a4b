import { expect, test } from "vitest";
import { loggedTicks } from "./logged-ticks.ts";

const line = (msg: string, more: object): string =>
  JSON.stringify({ msg, component: "tick", ...more });

test("ticks that are discarded or dropped are logged; of a row of drops the log says the first and how many", () => {
  const logged = loggedTicks([
    "(node:1) a warning",
    line("tick discarded", { due: "1970-01-01T00:00:10.000Z" }),
    line("tick dropped, the one before it is not handled yet", { due: "1970-01-01T00:00:20.000Z" }),
    line("ticks were dropped", { component: "another", dropped: 7 }),
    line("ticks were dropped", { dropped: 3 }),
    line("tick dropped, the one before it is not handled yet", { due: "1970-01-01T00:00:40.000Z" }),
  ]);
  expect([...logged]).toEqual([10, 20, 21, 22, 40].map((second) => `tick-${second}`));
});
