import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { openStore, temporaryFolder } from "../opened-store.ts";

test("where nothing was ever stored, asking and removing opens nothing", async () => {
  const folder = temporaryFolder();
  const store = openStore({ folder });
  expect(await store.checkpoints.load("feed", "")).toBeUndefined();
  expect(await store.pauses.load("orders")).toBeUndefined();
  await store.pauses.remove("orders");
  expect(readdirSync(folder)).toEqual([]);
});
