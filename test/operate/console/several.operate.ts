// One console for several daemons, and many components and dead letters of a real one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  DeadLetters,
  ImportDeadLettersRequestSchema,
} from "../../../gen/cufflink/v1/dead_letters_pb.ts";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { startChromium } from "../../console/browser.ts";
import { deadLetters } from "../../console/shop.ts";
import { startDaemon } from "../../e2e/daemon.ts";
import { folder } from "../../resources/folder.ts";
import { releasePort, reservePort } from "../../servers/ports.ts";
import { until } from "../../until.ts";
import { describeWithTools } from "../tools.ts";
import { buildPage, expectShown, openConsole, show, startConsoleDaemon } from "./daemon.ts";

const root = resolve(import.meta.dirname, "../../..");
const inbox = (name: string) => ({
  ...{ name, type: "bindings.file" },
  metadata: { folder: folder({}), direction: "input" },
});

describeWithTools("consoles of many in Chromium", { programs: ["chromium"] }, () => {
  let browser: Browser;
  beforeAll(async () => {
    await buildPage();
    browser = await startChromium();
  });
  afterAll(() => browser?.close());

  test(
    "cufflink console shows several daemons together, each live, and tells which is away",
    { timeout: 120_000 },
    async () => {
      const names = ["berlin", "oslo", "rome"];
      const daemons = await Promise.all(
        names.map((name) => startDaemon({ components: [inbox(`inbox-of-${name}`)] })),
      );
      onTestFinished(async () => {
        for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
      });
      const port = await reservePort();
      onTestFinished(() => releasePort(port));
      const addresses = daemons.flatMap(({ grpcPort }, index) => [
        ...["--address", `127.0.0.1:${grpcPort}`, "--name", names[index] ?? ""],
      ]);
      const child = spawn(
        join(root, "bin/cufflink"),
        ["console", "--console-port", String(port), ...addresses],
        {
          env: { CUFFLINK_CONSOLE_TOKEN: "console-token-of-the-tests" },
          stdio: ["ignore", "pipe", "pipe"],
        },
      );
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
      const exited = once(child, "exit");
      onTestFinished(async () => {
        child.kill("SIGTERM");
        await exited;
      });
      await until(() => output.includes("the console listens"), {
        what: () => `the console:\n${output}`,
        within: 30_000,
      });
      const page = await openConsole(browser, `http://127.0.0.1:${port}`);
      for (const name of names)
        await page
          .getByRole("row")
          .filter({ hasText: `inbox-of-${name}` })
          .getByText(name, { exact: true })
          .waitFor();
      await page.getByText("All 3").waitFor();
      await daemons[1]?.end();
      await page.getByText("Connection lost to oslo.").waitFor();
      expect(await page.getByText(/Connection lost to (berlin|rome)/).count()).toBe(0);
      // The third is looked at in turn.
      await page.getByRole("link", { name: "inbox-of-rome" }).click();
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Pause inbox-of-rome" }).click();
      await page.getByRole("button", { name: "Resume" }).waitFor();
      await show(page, "#/");
      await expectShown(
        page
          .getByRole("row")
          .filter({ hasText: "inbox-of-rome" })
          .getByText("paused", { exact: false })
          .first(),
      );
    },
  );

  test(
    "1,000 components and 10,000 dead letters of a real daemon stay fluid",
    { timeout: 240_000 },
    async () => {
      const components = Array.from({ length: 1000 }, (_, index) => ({
        ...{ name: `cache-${String(index).padStart(4, "0")}`, type: "bindings.localstorage" },
        metadata: { rootPath: "/tmp" },
      }));
      await using shop = await startConsoleDaemon({ components, flags: ["--log-level", "warn"] });
      const client = createClient(
        DeadLetters,
        createConnectTransport({
          baseUrl: `http://127.0.0.1:${shop.daemon.httpPort}`,
          httpVersion: "1.1",
        }),
      );
      const now = Date.now();
      const letters = deadLetters(10_000).map((letter, index) => ({
        ...letter,
        receivedAt: timestampFromMs(now - 20_000_000 + index),
        storedAt: timestampFromMs(now - 10_000_000 + index),
        identity: letter.event?.id ?? "",
        fingerprint: letter.id,
      }));
      for (let at = 0; at < letters.length; at += 1000) {
        const part = letters.slice(at, at + 1000);
        await client.importDeadLetters(
          create(ImportDeadLettersRequestSchema, { deadLetters: part }),
        );
      }
      const page = await openConsole(browser, shop.url);
      await page.getByText("All 1,000").waitFor();
      const rows = (): Promise<number> => page.locator("tbody tr[data-key]").count();
      expect(await rows()).toBeLessThan(100);
      await page.getByLabel("Find").fill("cache-0777");
      await page.getByRole("link", { name: "cache-0777" }).waitFor();
      await show(page, "#/0/dead-letters");
      await page.getByText("Page 1").waitFor();
      expect(await rows()).toBe(100);
      for (let turn = 2; turn < 6; turn++) {
        await page.getByRole("button", { name: "Newer" }).click();
        await page.getByText(`Page ${turn}`).waitFor();
      }
      expect(await rows()).toBe(100);
      await page.getByRole("button", { name: "Drop all…" }).click();
      await page.getByRole("dialog", { name: "Drop 10,000 dead letters?" }).waitFor();
      await page.getByRole("dialog").getByRole("button", { name: "Drop 10,000" }).click();
      await expectShown(page.getByText("There are no dead letters."));
    },
  );
});
