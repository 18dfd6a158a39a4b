import { EventEmitter } from "node:events";
import type { Connection } from "@platformatic/kafka";
import { expect, test, vi } from "vitest";
import { countAnswers } from "../../../src/bindings/kafka/incoming.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";

function answer(bytes: number): Buffer {
  const whole = Buffer.alloc(4 + bytes);
  whole.writeUInt32BE(bytes);
  return whole;
}

function connect() {
  const memory = new MemoryBudget(2000).share("test");
  const socket = Object.assign(new EventEmitter(), { destroy: vi.fn<(error: Error) => void>() });
  const connection = { socket } as unknown as Connection;
  countAnswers(connection, memory);
  countAnswers(connection, memory);
  return { memory, socket };
}

test("the answer that is not whole counts, in whatever pieces it comes", () => {
  const { memory, socket } = connect();
  const bytes = Buffer.concat([answer(100), answer(0), answer(1000), answer(7)]);
  for (let at = 0; at < bytes.length; at += 3) {
    const end = Math.min(at + 3, bytes.length);
    socket.emit("data", bytes.subarray(at, end));
    // After the head of the third, its bytes so far.
    if (at > 120 && end < 1112) expect(memory.used).toBe(end - 112);
  }
  expect(memory.used).toBe(0);
  expect(socket.destroy).not.toHaveBeenCalled();
  socket.emit("data", answer(500).subarray(0, 104));
  expect(memory.used).toBe(100);
  socket.emit("close");
  expect(memory.used).toBe(0);
});

test("an answer that is announced as too large ends the connection at once", () => {
  const { memory, socket } = connect();
  socket.emit("data", Buffer.concat([answer(10), answer(1001).subarray(0, 6)]));
  expect(socket.destroy).toHaveBeenCalledWith(
    new Error(
      "it sent a message of more than 1000 bytes, half of the memory budget (--memory-budget)",
    ),
  );
  expect(memory.used).toBe(2);
});
