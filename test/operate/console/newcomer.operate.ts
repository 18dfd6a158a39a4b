// A newcomer's path: the README's quickstart, a component file of one's own, and a dead letter redriven in the console.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { accessibilityProblems, startChromium } from "../../console/browser.ts";
import { folder } from "../../resources/folder.ts";
import { releasePort, reservePort } from "../../servers/ports.ts";
import { until } from "../../until.ts";
import { describeWithTools } from "../tools.ts";
import { buildPage, expectShown, show } from "./daemon.ts";

const root = resolve(import.meta.dirname, "../../..");

/** An app of a few lines, as somebody writes it who has read the README. */
const appText = `import { createApp } from "${root}/src/sdk/index.ts";
import { existsSync } from "node:fs";

const app = createApp();
app.on("orders", async (event) => {
  if (!existsSync("warehouse-is-open")) throw new Error("the warehouse is closed");
  await app.invoke("archive", "create", { data: event.data, metadata: { fileName: "order.json" } });
});
await app.start();
`;

const component = (name: string, type: string, metadata: string): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${name}\nspec:\n  type: bindings.${type}\n  version: v1\n  metadata:\n${metadata}`;

describeWithTools("a newcomer with Chromium", { programs: ["chromium"] }, () => {
  test(
    "README, a component file of one's own, and a dead letter redriven in the console",
    { timeout: 120_000 },
    async () => {
      await buildPage();
      // The quickstart is what the README says it is.
      const readme = readFileSync(join(root, "README.md"), "utf8");
      expect(readme).toContain("npm ci && npm start");
      expect(readme).toContain("--console-port 8090");
      const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
        scripts: { start: string };
      };
      const quickstart = scripts.start.split(" ");
      expect(quickstart.slice(0, 3)).toEqual(["node", "src/main.ts", "run"]);

      // With the flag of the console, in place of the app and the files of the example their own.
      const place = folder({ "app.ts": appText });
      const components = folder({});
      const ports = [await reservePort(), await reservePort(), await reservePort()] as const;
      const [http, grpc, web] = ports;
      onTestFinished(async () => {
        for (const port of ports) await releasePort(port);
        rmSync(place, { recursive: true, force: true });
      });
      const child = spawn(
        join(root, "bin/cufflink"),
        [
          ...["run", "--app-id", "newcomer", "--resources-path", components],
          ...["--dapr-http-port", String(http), "--dapr-grpc-port", String(grpc)],
          ...[
            "--console-port",
            String(web),
            "--enable-metrics=false",
            "--",
            process.execPath,
            "app.ts",
          ],
        ],
        {
          cwd: place,
          env: { PATH: process.env["PATH"], HOME: place, XDG_STATE_HOME: join(place, "state") },
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
      // The link that is printed at the start is all that one needs.
      const link = (): string | undefined => /Console: (http:\S+)/.exec(output)?.[1];
      await until(() => link() !== undefined, {
        what: () => `the link:\n${output}`,
        within: 30_000,
      });
      const browser = await startChromium();
      onTestFinished(() => browser.close());
      const page = await browser.newPage({ reducedMotion: "reduce" });
      page.setDefaultTimeout(20_000);
      await page.goto(link() ?? "");
      await page.getByText("There are no components.").waitFor();

      // A component file of one's own, with a mistake, appears as it is written.
      const inbox = folder({});
      const orders = (property: string): string =>
        component(
          "orders",
          "file",
          `    - {name: ${property}, value: ${inbox}}\n    - {name: quietTime, value: 10ms}\n`,
        );
      writeFileSync(join(components, "orders.yaml"), orders("foldr"));
      writeFileSync(
        join(components, "archive.yaml"),
        component("archive", "localstorage", `    - {name: rootPath, value: ${folder({})}}\n`),
      );
      writeFileSync(
        join(components, "resiliency.yaml"),
        `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: short}
spec:
  policies:
    retries:
      short: {policy: constant, duration: 20ms, maxRetries: 2}
  targets:
    components:
      orders: {inbound: {retry: short}}
`,
      );
      await page.getByRole("link", { name: "archive" }).waitFor();
      await show(page, "#/0/reloads");
      await page.getByText(/foldr/).first().waitFor();
      writeFileSync(join(components, "orders.yaml"), orders("folder"));
      await show(page, "#/");
      await page.locator('tr[data-key="0/orders"]').getByText("running").waitFor();

      // An event that the app refuses becomes a dead letter, and is told as such.
      writeFileSync(join(inbox, "first.json"), '{"order":1}');
      await page.getByRole("link", { name: "1 dead letter of orders" }).click();
      await page.getByRole("link", { name: "first.json" }).click();
      await page.getByText("the warehouse is closed").first().waitFor();
      await page
        .getByRole("region", { name: "Content of payload" })
        .getByText('"order": 1')
        .waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);

      // Mended, it is redriven here, and handled.
      writeFileSync(join(place, "warehouse-is-open"), "");
      await page.getByRole("button", { name: "Redrive…" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Redrive 1 dead letter" }).click();
      await page.getByText("Ended: 1 dead letter handled and removed.").waitFor();
      await show(page, "#/0/dead-letters");
      await expectShown(page.getByText("There are no dead letters."));

      // And what was archived is read by the form.
      await show(page, "#/0/components/archive/invoke");
      await page.getByLabel("Operation").selectOption("get");
      await page.getByLabel("fileName").fill("order.json");
      await page.getByRole("button", { name: "Invoke get" }).click();
      await expectShown(
        page.getByRole("region", { name: "Content of answer" }).getByText('"order": 1'),
      );
    },
  );
});
