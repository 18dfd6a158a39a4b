import { expect, test } from "vitest";
import { HandledOffsets } from "../../../src/bindings/kafka/handled-offsets.ts";

function delivered(
  from: number,
  offsets: number[],
): { handled: HandledOffsets; tokens: Map<number, number> } {
  const handled = new HandledOffsets(from);
  return { handled, tokens: new Map(offsets.map((offset) => [offset, handled.deliver(offset)])) };
}

test("commits the lowest offset that was not handled", () => {
  const { handled, tokens } = delivered(5, [5, 6, 7, 8]);
  expect(handled.committable).toBe(5);
  handled.handle(tokens.get(6)!);
  handled.handle(tokens.get(8)!);
  expect(handled.committable).toBe(5);
  expect([...handled.ranges()]).toEqual([
    { first: 6, last: 6 },
    { first: 8, last: 8 },
  ]);
  handled.handle(tokens.get(5)!);
  expect(handled.committable).toBe(7);
  expect(handled.open).toBe(1);
  handled.handle(tokens.get(7)!);
  expect(handled.committable).toBe(9);
  expect([...handled.ranges()]).toEqual([]);
});

test("counts offsets that the log lacks as handled", () => {
  const { handled, tokens } = delivered(0, [3, 7, 11]);
  expect(handled.committable).toBe(3);
  handled.handle(tokens.get(11)!);
  handled.skipTo(20);
  expect([...handled.ranges()]).toEqual([{ first: 8, last: 19 }]);
  handled.handle(tokens.get(3)!);
  expect(handled.committable).toBe(7);
  handled.handle(tokens.get(7)!);
  expect(handled.committable).toBe(20);
});

test("settling twice changes nothing", () => {
  const { handled, tokens } = delivered(0, [0, 1]);
  handled.handle(tokens.get(0)!);
  handled.handle(tokens.get(0)!);
  expect(handled.open).toBe(1);
  expect(handled.committable).toBe(1);
});

test("tells again of ranges that an earlier reader handled", () => {
  const handled = new HandledOffsets(0);
  const token = handled.deliver(0);
  handled.skip({ first: 1, last: 4 });
  const later = handled.deliver(5);
  expect([...handled.ranges()]).toEqual([{ first: 1, last: 4 }]);
  handled.handle(token);
  expect(handled.committable).toBe(5);
  handled.handle(later);
  expect(handled.committable).toBe(6);
});

test("agrees with a plain model over many random orders", () => {
  let seed = 7;
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 50; round++) {
    const handled = new HandledOffsets(0);
    const open = new Map<number, number>();
    const all: number[] = [];
    let offset = 0;
    for (let step = 0; step < 3000; step++) {
      if (random() < 0.5) {
        if (random() < 0.2) offset += 3;
        open.set(offset, handled.deliver(offset));
        all.push(offset);
        offset++;
      } else if (open.size > 0) {
        const keys = [...open.keys()];
        const chosen = keys[Math.floor(random() * Math.min(keys.length, 40))]!;
        handled.handle(open.get(chosen)!);
        open.delete(chosen);
      }
    }
    const lowest = Math.min(offset, ...open.keys());
    expect(handled.committable).toBe(lowest);
    expect(handled.open).toBe(open.size);
    const told = new Set(
      [...handled.ranges()].flatMap(({ first, last }) =>
        Array.from({ length: last - first + 1 }, (_, i) => first + i),
      ),
    );
    for (const one of all.filter((each) => each > lowest))
      expect(told.has(one)).toBe(!open.has(one));
  }
});
