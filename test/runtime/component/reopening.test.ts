import { expect, test } from "vitest";
import { BindingError } from "../../../src/errors.ts";
import { Reopening } from "../../../src/runtime/component/reopening.ts";

function clocked() {
  let now = 0;
  const reopening = new Reopening(() => now);
  const live = (milliseconds: number, end: unknown = cut): string => {
    reopening.opened("a twin");
    now += milliseconds;
    return (reopening.ended(end) as Error).message;
  };
  return { reopening, live, pass: (milliseconds: number) => (now += milliseconds) };
}

const cut = new BindingError("unavailable", "it was lost", {
  effect: "ambiguous",
  systemCode: "7",
});

test("a connection that is cut three times right after it was made names the likely cause", () => {
  const { reopening, live, pass } = clocked();
  expect([live(5), live(14_000)]).toEqual(["it was lost", "it was lost"]);
  reopening.opened("a twin");
  expect(reopening.trouble).toBe("");
  const third = reopening.ended(cut);
  expect(third).toMatchObject({ reason: "unavailable", effect: "ambiguous", systemCode: "7" });
  expect(String(third)).toContain("again and again right after it was made: probably a twin");
  reopening.opened("a twin");
  expect(reopening.trouble).toContain("probably a twin");
  pass(15_000);
  expect(reopening.trouble).toBe("");
});

test("what lived longer, could not be made, or was refused is no cut", () => {
  const { reopening, live } = clocked();
  live(5);
  live(5);
  expect(live(15_000)).toBe("it was lost");
  expect([live(5), live(5)]).toEqual(["it was lost", "it was lost"]);
  expect(reopening.ended(cut)).toBe(cut);
  expect([live(5), live(5)]).toEqual(["it was lost", "it was lost"]);
  expect(live(5, new BindingError("permission_denied", "no"))).toBe("no");
  expect(live(5)).toBe("it was lost");
});

test.each(["ECONNREFUSED", "ENOTFOUND", "502"])(
  "a system that is away, or says so, cuts nothing: %s",
  (systemCode) => {
    const { live } = clocked();
    const away = new BindingError("unavailable", "away", { systemCode });
    expect([live(5, away), live(5, away), live(5, away)]).toEqual(["away", "away", "away"]);
  },
);

test("without a cause of the binding's own, the cause is looked for at the server", () => {
  const { reopening } = clocked();
  let last: unknown;
  for (let time = 0; time < 3; time++) {
    reopening.opened();
    last = reopening.ended(cut);
  }
  expect(String(last)).toContain("its log may say why");
});

test("the pauses grow, and begin anew after a connection that lasted", () => {
  const { reopening, live } = clocked();
  for (let time = 0; time < 9; time++) live(5);
  expect(reopening.pause).toBeGreaterThan(8_000);
  live(10_001);
  expect(reopening.pause).toBeLessThan(200);
});
