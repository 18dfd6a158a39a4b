import { expect, test } from "vitest";
import { boundedText } from "../../src/memory/bounded-text.ts";

test("a text of the largest size is read, whatever its parts; no body is an empty text", async () => {
  async function* body() {
    yield Buffer.from("Grü").subarray(0, 3);
    yield Buffer.from("Grü").subarray(3);
    yield Buffer.from("ße");
  }
  expect(await boundedText(body(), 7)).toBe("Grüße");
  expect(await boundedText(null, 7)).toBe("");
  await expect(boundedText(body(), 6)).rejects.toThrow("the answer is larger than 6 bytes");
});

test("the rest of a body that is too long is not read", async () => {
  let given = 0;
  let ended = false;
  async function* endless() {
    try {
      for (;;) {
        given++;
        yield Buffer.alloc(100);
      }
    } finally {
      ended = true;
    }
  }
  await expect(boundedText(endless(), 1000)).rejects.toThrow("larger than 1000 bytes");
  expect([given, ended]).toEqual([11, true]);
});
