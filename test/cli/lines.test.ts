import { expect, test } from "vitest";
import { readLines, type Line } from "../../src/cli/lines.ts";

async function linesOf(maxBytes: number, ...chunks: (string | Uint8Array)[]): Promise<Line[]> {
  async function* stream() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const lines: Line[] = [];
  for await (const line of readLines(stream(), maxBytes)) lines.push(line);
  return lines;
}

const whole = (text: string): Line => ({ text, isPart: false });

test("lines end at a newline and nothing else, wherever the chunks end", async () => {
  const text = 'a\r\n\n{"b":"\u2028\u0085"}\rc\nж€😀\nend';
  const lines = ["a", "", '{"b":"\u2028\u0085"}\rc', "ж€😀", "end"].map(whole);
  expect(await linesOf(1000, text)).toEqual(lines);
  const bytes = Array.from(Buffer.from(text), (byte) => Uint8Array.of(byte));
  expect(await linesOf(1000, ...bytes)).toEqual(lines);
  expect(await linesOf(1000, "a\n")).toEqual([whole("a")]);
  expect(await linesOf(1000)).toEqual([]);
});

test("a line that is too long comes in parts, its characters whole", async () => {
  const euro = Buffer.from("€");
  const lines = await linesOf(4, "abc", euro.subarray(0, 2), euro.subarray(2), "de\nf\n");
  expect(lines.map(({ text }) => text).join("")).toBe("abc€def");
  expect(lines[0]).toEqual({ text: "abc", isPart: true });
  expect(lines.at(-1)).toEqual(whole("f"));
});
