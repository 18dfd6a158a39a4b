import { expect, test } from "vitest";
import { SendQuota } from "../../../../src/bindings/mqtt/mqtt5/send-quota.ts";

test("who has given up before there is room takes none", async () => {
  const quota = new SendQuota();
  quota.open(1);
  const { signal } = new AbortController();
  await quota.take(signal);
  const refused = quota.take(AbortSignal.abort());
  const next = quota.take(signal);
  quota.giveBack();
  await next;
  await expect(refused).rejects.toMatchObject({ reason: "cancelled", effect: "unsent" });
});
