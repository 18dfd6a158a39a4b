import { expect, test } from "vitest";
import { IncomingMessage } from "../../src/memory/incoming-message.ts";
import { MemoryBudget } from "../../src/memory/budget.ts";

test("what is held counts, up and down, until the connection is gone", () => {
  const memory = new MemoryBudget(1000).share("test");
  const incoming = new IncomingMessage(memory);
  expect([incoming.holds(100), memory.used]).toEqual([undefined, 100]);
  expect([incoming.holds(500), memory.used]).toEqual([undefined, 500]);
  expect([incoming.holds(20), memory.used]).toEqual([undefined, 20]);
  incoming.release();
  expect(memory.used).toBe(0);
});

test("only a message that alone is more than the share is refused, however full it is", () => {
  const memory = new MemoryBudget(1000).share("test");
  memory.add(450);
  const incoming = new IncomingMessage(memory);
  expect(incoming.holds(500)).toBeUndefined();
  expect(incoming.holds(501)).toBe(
    "it sent a message of more than 500 bytes, half of the memory budget (--memory-budget)",
  );
});
