import { expect, test } from "vitest";
import { whyUnlisted } from "../../src/app/unlisted.ts";

test.each([
  ["tick", ["ticks", "orders"], "it has ticks; the component is tick"],
  ["tick", ["orders", "bills"], "it has orders, bills"],
  ["tick", [], "it subscribes to none"],
])("%s beside %j", (name, listed, why) => {
  expect(whyUnlisted(name, listed)).toBe(why);
});

test("an app with thousands of long names makes no long line", () => {
  const names = Array.from({ length: 5000 }, (_, index) => `${index} ${"x".repeat(100_000)}`);
  const why = whyUnlisted("tick", names);
  expect(why.length).toBeLessThan(1200);
  expect(why).toMatch(/ and 4990 more$/);
});
