import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { openStore, temporaryFolder } from "./opened-store.ts";

test("a checkpoint is there for the next process, by component and partition; a later one takes its place", async () => {
  const folder = temporaryFolder();
  const first = openStore({ folder });
  await first.checkpoints.put("feed", "", { fingerprint: "a", position: "1" });
  await first.checkpoints.put("feed", "", { fingerprint: "a", position: "grün\n2" });
  await first.checkpoints.put("feed", "p1", { fingerprint: "b", position: "" });
  await first.close();
  const second = openStore({ folder });
  expect(await second.checkpoints.load("feed", "")).toEqual({
    ...{ fingerprint: "a", position: "grün\n2" },
  });
  expect(await second.checkpoints.load("feed", "p1")).toEqual({ fingerprint: "b", position: "" });
  expect(await second.checkpoints.load("feed", "p2")).toBeUndefined();
  expect(await second.checkpoints.load("other", "")).toBeUndefined();
});

test("where nothing was ever stored, asking opens nothing", async () => {
  const folder = temporaryFolder();
  expect(await openStore({ folder }).checkpoints.load("feed", "")).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

test("without a place a checkpoint is refused with what to do", async () => {
  const store = openStore({ folder: undefined });
  expect(await store.checkpoints.load("feed", "")).toBeUndefined();
  const put = store.checkpoints.put("feed", "", { fingerprint: "a", position: "1" });
  await expect(put).rejects.toThrow("--state-dir");
});
