import { expect, test } from "vitest";
import { openStore } from "./opened-store.ts";

test("without a place there is nothing, and what should be kept is refused with what to do", async () => {
  const store = openStore({ folder: undefined });
  expect(await store.checkpoints.load("feed", "")).toBeUndefined();
  const put = store.checkpoints.put("feed", "", { fingerprint: "a", position: "1" });
  await expect(put).rejects.toThrow("--state-dir");
  expect(await store.pauses.load("orders")).toBeUndefined();
  await store.pauses.remove("orders");
  const pause = { by: "ada", reason: "the shop is closed", since: 1_764_150_000_123 };
  await expect(store.pauses.put("orders", pause)).rejects.toThrow("--state-dir");
});

test("without a place there are leases all the same", async () => {
  const store = openStore({ folder: undefined });
  expect(store.shared).toBe(false);
  expect(await store.leases.acquire("tick", "a", 1000)).toMatchObject({ state: "granted" });
});
