import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { until } from "../until.ts";
import { openStore, temporaryFolder } from "./opened-store.ts";

const pause = { by: "ada", reason: "the shop is closed; gründlich", since: 1_764_150_000_123 };

test("a pause is there for the next process until it is removed; a later one takes its place", async () => {
  const folder = temporaryFolder();
  const first = openStore({ folder });
  await first.pauses.put("orders", { ...pause, by: "bob" });
  await first.pauses.put("orders", pause);
  expect(await first.pauses.load("others")).toBeUndefined();
  await first.close();
  const second = openStore({ folder });
  expect(await second.pauses.load("orders")).toEqual(pause);
  await second.pauses.remove("others");
  await second.pauses.remove("orders");
  await second.close();
  expect(await openStore({ folder }).pauses.load("orders")).toBeUndefined();
});

test("where nothing was ever stored, asking and removing opens nothing", async () => {
  const folder = temporaryFolder();
  const store = openStore({ folder });
  expect(await store.pauses.load("orders")).toBeUndefined();
  await store.pauses.remove("orders");
  expect(readdirSync(folder)).toEqual([]);
});

test("without a place nothing is paused, and a pause is refused with what to do", async () => {
  const store = openStore({ folder: undefined });
  expect(await store.pauses.load("orders")).toBeUndefined();
  await store.pauses.remove("orders");
  await expect(store.pauses.put("orders", pause)).rejects.toThrow("--state-dir");
});

test("whoever watches is told of a pause and of its end, until it is enough", async () => {
  const { pauses } = openStore({ folder: ":memory:" });
  const seen: [string, unknown][] = [];
  const stop = pauses.watch((component, change) => seen.push([component, change]));
  await pauses.put("orders", pause);
  await pauses.remove("orders");
  await until(() => seen.length >= 2, { what: "both changes" });
  expect(seen).toEqual([
    ["orders", pause],
    ["orders", undefined],
  ]);
  stop();
  await pauses.put("orders", pause);
  expect(seen).toHaveLength(2);
});
