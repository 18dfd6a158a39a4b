import { expect, test } from "vitest";
import { openStore, temporaryFolder } from "../opened-store.ts";

test("that history cannot be kept is no trouble for what must be", async () => {
  const store = openStore({ folder: temporaryFolder(), maxPages: 30 });
  const large = {
    ...{
      component: "orders",
      eventId: "e1",
      source: "",
      receivedAt: 1,
      attempts: [],
      renewals: [],
    },
    ...{ traceId: "", end: "dropped" as const, endedAt: 1, deadLetter: undefined },
    reason: "x".repeat(200_000),
  };
  await expect(store.history.append([large])).rejects.toThrow("history.db");
  expect(store.trouble).toBeUndefined();
});
