import { expect, test } from "vitest";
import { AnswerRoom, noRoomForAnswer } from "../../src/grpc/answer-room.ts";
import { assuredBytes, MemoryBudget } from "../../src/memory/budget.ts";

test("the largest answer is taken, one byte more is not, and the text names what says so", () => {
  const room = new AnswerRoom({ maxBytes: 10, setting: "--size" });
  expect(room.take(4)).toBeUndefined();
  expect(room.take(6)).toBeUndefined();
  expect(room.take(1)).toBe("the answer is larger than 10 bytes (--size)");
  expect(room.size).toBe(10);
  const framed = new AnswerRoom({ maxBytes: 10, framing: 5 });
  expect(framed.take(15)).toBeUndefined();
  expect(framed.take(1)).toBe("the answer is larger than 10 bytes");
});

test("what is taken counts in the share until it is released", () => {
  const memory = new MemoryBudget(1_000_000).share("test");
  const room = new AnswerRoom({ maxBytes: Infinity, memory: memory.forAnswers });
  room.take(100);
  room.take(200_000);
  expect(memory.used).toBe(200_100);
  room.release();
  room.release();
  expect(memory.used).toBe(0);
});

test("beyond its first 64 KiB an answer is refused when the share is full", () => {
  const memory = new MemoryBudget(100_000).share("test", 50_000);
  const [first, second] = [0, 1].map(
    () => new AnswerRoom({ maxBytes: Infinity, memory: memory.forAnswers }),
  );
  expect(first?.take(assuredBytes)).toBeUndefined();
  expect(second?.take(assuredBytes)).toBeUndefined();
  expect(first?.take(1)).toBe(noRoomForAnswer);
  expect(memory.used).toBe(2 * assuredBytes);
  expect(memory.refusals).toBe(1);
  first?.release();
  second?.release();
  expect(memory.used).toBe(0);
});
