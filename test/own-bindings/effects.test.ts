import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { folder } from "../resources/folder.ts";
import { effectsWith, expectedEffects } from "./effects.ts";

const root = resolve(import.meta.dirname, "../..");

test("the TypeScript of the checkout knows the effects of an own binding's failures", async () => {
  const place = folder({});
  // No folder above a user's file may have our package.
  for (let at = place; dirname(at) !== at; at = dirname(at))
    expect(existsSync(join(at, "node_modules"))).toBe(false);
  const program = [process.execPath, join(root, "src/main.ts")];
  expect(await effectsWith(program, place)).toEqual(expectedEffects);
});
