import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Acknowledgements } from "../../../src/bindings/rabbitmq/acknowledgements.ts";

let sent: string[];
let acknowledgements: Acknowledgements;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  acknowledgements = new Acknowledgements(
    {
      ack: ({ fields }, allUpTo) =>
        void sent.push(`ack ${allUpTo ? "up to " : ""}${fields.deliveryTag}`),
      nack: ({ fields }, allUpTo, requeue) =>
        void sent.push(`nack ${fields.deliveryTag} ${allUpTo} ${requeue}`),
    },
    1000,
  );
  for (let tag = 1; tag <= 6; tag++) acknowledgements.delivered(tag);
});

afterEach(() => {
  vi.useRealTimers();
});

test("groups all up to the first that is open, and no further", () => {
  for (const tag of [3, 1, 2, 5]) acknowledgements.handled(tag);
  expect(sent).toEqual([]);
  acknowledgements.write();
  expect(sent).toEqual(["ack up to 3", "ack 5"]);
  for (const tag of [4, 6]) acknowledgements.handled(tag);
  acknowledgements.write();
  expect(sent.slice(2)).toEqual(["ack up to 6"]);
  acknowledgements.write();
  expect(sent.length).toBe(3);
});

test("sends what was noted by itself", () => {
  acknowledgements.handled(1);
  vi.runAllTimers();
  expect(sent).toEqual(["ack 1"]);
});

test("returns messages at once, and never acknowledges past what waits to be returned", () => {
  acknowledgements.returned(1, 0);
  acknowledgements.returned(3, 500);
  for (const tag of [2, 4]) acknowledgements.handled(tag);
  acknowledgements.write();
  expect(sent).toEqual(["nack 1 false true", "ack 2", "ack 4"]);
  vi.advanceTimersByTime(499);
  expect(sent.length).toBe(3);
  vi.advanceTimersByTime(1);
  expect(sent.at(-1)).toBe("nack 3 false true");
});

test("returns messages before the server's timeout, whatever pause was asked for", () => {
  vi.advanceTimersByTime(900);
  acknowledgements.returned(1, 60_000);
  vi.advanceTimersByTime(100);
  expect(sent).toEqual(["nack 1 false true"]);
  acknowledgements.returned(2, 60_000);
  expect(sent.at(-1)).toBe("nack 2 false true");
});

test("says nothing about what it does not know, twice, or after the end", () => {
  acknowledgements.handled(99);
  acknowledgements.returned(1, 0);
  acknowledgements.handled(1);
  acknowledgements.returned(2, 500);
  acknowledgements.handled(3);
  acknowledgements.abandon();
  acknowledgements.handled(4);
  vi.advanceTimersByTime(5000);
  expect(sent).toEqual(["nack 1 false true"]);
});
