import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as limits from "../../../src/http2/limits.ts";

const folders = [import.meta.dirname, join(import.meta.dirname, "..")];
const own = "limits.test.ts";
const texts = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".test.ts") && file !== own)
    .map((file) => readFileSync(join(folder, file), "utf8")),
);

test.each(Object.keys(limits))("%s has a test that goes by it", (name) => {
  const named = new RegExp(`\\b${name}\\b`);
  expect(texts.filter((text) => named.test(text)).length).toBeGreaterThan(0);
});
