import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { StoreThread } from "../../../src/store/sqlite/store-thread.ts";
import { defaultRetention } from "../../../src/store/store.ts";
import { until } from "../../until.ts";
import { temporaryFolder } from "../opened-store.ts";
import { attempt } from "../records.ts";

const worker = pathToFileURL(
  join(import.meta.dirname, "../../../src/store/sqlite/store-worker.ts"),
).href;

test("a thread that fails takes those who wait along, and another one starts for those who come", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "worker.mjs");
  const told: (string | undefined)[] = [];
  const thread = new StoreThread(
    { folder, retention: defaultRetention, owner: "me" },
    {
      notice: (text) => expect.unreachable(text),
      expired: () => expect.unreachable("nothing expires"),
      trouble: (trouble) => told.push(trouble),
    },
    pathToFileURL(file),
  );
  onTestFinished(() => thread.close());
  writeFileSync(
    file,
    `import { parentPort } from "node:worker_threads";
     parentPort.on("message", () => { throw new Error("out of luck"); });`,
  );
  const asked = ["a", "b"].map((identity) =>
    thread.ask("beginAttempt", ["orders", attempt({ identity })]),
  );
  for (const one of asked) {
    await expect(one).rejects.toMatchObject({
      reason: "unavailable",
      // Nobody knows what it did.
      effect: "ambiguous",
      message: expect.stringContaining("out of luck"),
    });
  }
  expect(thread.trouble).toContain("out of luck");
  writeFileSync(file, `import ${JSON.stringify(worker)};`);
  await until(
    () =>
      thread.ask("beginAttempt", ["orders", attempt()]).then(
        () => true,
        () => false,
      ),
    { what: "another thread" },
  );
  expect(thread.trouble).toBeUndefined();
  expect(told).toEqual([expect.stringContaining("out of luck"), undefined]);
  expect(await thread.ask("loadAttempts", ["orders"])).toEqual([attempt()]);
});
