// The console of one of two replicas that share a store on NATS.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createApp } from "../../../src/sdk/index.ts";
import { startChromium } from "../../console/browser.ts";
import { startDaemon } from "../../e2e/daemon.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { describeWithTools } from "../tools.ts";
import { buildPage, openConsole, startConsoleDaemon } from "./daemon.ts";

describeWithTools("the console of a replica in Chromium", { programs: ["chromium"] }, () => {
  let browser: Browser;
  beforeAll(async () => {
    await buildPage();
    browser = await startChromium();
  });
  afterAll(() => browser?.close());

  describeWith("nats", (nats) => {
    test(
      "shows both replicas, who owns what, and no replica that has gone",
      { timeout: 120_000 },
      async () => {
        const appId = uniqueName("shop");
        const tick = {
          ...{ name: "tick", type: "bindings.cron" },
          metadata: { schedule: "@every 1h", singleton: "true" },
        };
        const flagsOf = (replica: string) => [
          ...["--app-id", appId, "--store", nats.url, "--store-durability", "relaxed"],
          ...["--replica-id", replica],
        ];
        const one = await startConsoleDaemon({ components: [tick], flags: flagsOf("one") });
        onTestFinished(() => one[Symbol.asyncDispose]());
        // A replica without its app reads nothing that another could read.
        const app = createApp({
          runtime: `127.0.0.1:${one.daemon.grpcPort}`,
          log: () => undefined,
        });
        onTestFinished(() => app.close({ deadline: 0 }));
        app.on("tick", () => undefined);
        await app.start();
        const page = await openConsole(browser, one.url);
        const rows = async (name: string) =>
          (await page.locator(`table.${name} tbody tr`).allInnerTexts()).map((text) =>
            text.replaceAll(/\s+/g, " "),
          );
        const soon = { timeout: 40_000, interval: 200 };
        await expect
          .poll(() => rows("fleet-components"), soon)
          .toEqual([expect.stringMatching(/^tick .*one/)]);
        const two = await startDaemon({ components: [tick], flags: flagsOf("two") });
        onTestFinished(() => two[Symbol.asyncDispose]());
        await expect
          .poll(() => rows("replicas"), soon)
          .toEqual([expect.stringMatching(/^one \(this one\)/), expect.stringMatching(/^two /)]);
        expect(await page.getByRole("heading", { name: /2 replicas/ }).count()).toBe(1);
        await two.end();
        await expect
          .poll(() => rows("replicas"), soon)
          .toEqual([expect.stringMatching(/^one \(this one\)/)]);
      },
    );
  });
});
