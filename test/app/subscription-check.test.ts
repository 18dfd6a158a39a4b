import { expect, test } from "vitest";
import { SubscriptionCheck } from "../../src/app/subscription-check.ts";
import { spiedLogger } from "./delivery.ts";

const components = { inputs: ["orders", "tick"], outputs: ["notes"] };

test("names that no input has are told to the log and to the app, each with what was meant", () => {
  const logger = spiedLogger();
  const told: string[] = [];
  const check = new SubscriptionCheck(logger);
  check.subscribed({}, ["ordres", "tick", "notes", "elephant"], (text) => told.push(text));
  expect(told).toEqual([]);
  check.componentsChanged(components);
  const complaints = [
    'the app subscribes to ordres, and no input is called so; did you mean "orders"?',
    "the app subscribes to notes, which is an output and reads no events",
    "the app subscribes to elephant, and no input is called so; there are: orders, tick",
  ];
  expect(told).toEqual(complaints);
  expect(logger.warnings()).toEqual(
    complaints.map((text, index) => [{ binding: ["ordres", "notes", "elephant"][index] }, text]),
  );
});

test("the log is told once for as long as it is so, and each stream of the app", () => {
  const logger = spiedLogger();
  const check = new SubscriptionCheck(logger);
  check.componentsChanged(components);
  const told: string[] = [];
  for (const stream of [{}, {}]) {
    check.subscribed(stream, ["ordres"], (text) => told.push(text));
    check.componentsChanged(components);
    check.left(stream);
  }
  expect([told.length, logger.warnings().length]).toEqual([2, 1]);

  const app = {};
  check.subscribed(app, ["ordres"]);
  check.componentsChanged({ inputs: ["ordres"], outputs: [] });
  expect(logger.warnings()).toHaveLength(1);
  check.componentsChanged(components);
  expect(logger.warnings()).toHaveLength(2);
  check.componentsChanged({ inputs: [], outputs: [] });
  expect(logger.warnings().at(-1)?.[1]).toContain("there is none at all");
});
