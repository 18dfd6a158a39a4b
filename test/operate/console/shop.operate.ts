// The console's promises, each against a real daemon with real brokers behind it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BindingApp, DeadLetter } from "../../../src/sdk/index.ts";
import { accessibilityProblems, startChromium } from "../../console/browser.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { until } from "../../until.ts";
import { describeWithTools } from "../tools.ts";
import {
  buildPage,
  expectShown,
  openConsole,
  readOnlyToken,
  show,
  startConsoleApp,
  startConsoleDaemon,
} from "./daemon.ts";

const resiliency = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata:
  name: shop
spec:
  policies:
    retries:
      short: {policy: constant, duration: 20ms, maxRetries: 2}
  targets:
    components:
      orders:
        inbound: {retry: short}
`;

const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

describeWithTools("the console in Chromium", { programs: ["chromium"] }, () => {
  describeWith(["redis", "rabbitmq"], ({ redis, rabbitmq }) => {
    const [stream, queue] = [uniqueName("orders"), uniqueName("payments")];
    let shop: Awaited<ReturnType<typeof startConsoleDaemon>>;
    let browser: Browser;
    let app: BindingApp;
    /** What the app does with orders; and what it has handled. */
    let refuse: (text: string) => boolean = () => false;
    const handled: string[] = [];
    /** What the app waits for before it answers the event of this text. */
    const held = Promise.withResolvers<void>();

    beforeAll(async () => {
      await buildPage();
      const redisHost = `${redis.host}:${redis.port}`;
      shop = await startConsoleDaemon({
        components: [
          {
            ...{ name: "orders", type: "bindings.redis.streams" },
            metadata: {
              ...{ redisHost, redisPassword: "", stream, consumerGroup: "shop" },
              ...{ startFrom: "oldest", colour: "blue" },
            },
          },
          {
            ...{ name: "payments", type: "bindings.rabbitmq" },
            metadata: { host: rabbitmq.url, queueName: queue, durable: "true" },
          },
          { name: "cache", type: "bindings.redis", metadata: { redisHost } },
          {
            ...{ name: "warehouse", type: "bindings.redis" },
            metadata: { redisHost: "127.0.0.1:1" },
          },
          resiliency,
        ],
      });
      app = await startConsoleApp(shop, (to) => {
        to.on("orders", async (event) => {
          const text = event.text();
          if (text === "held") await held.promise;
          if (refuse(text)) throw new Error("the warehouse does not know the article");
          handled.push(text);
        });
        to.on("payments", (event) => {
          if (event.text().startsWith("bad")) throw new DeadLetter("the card has expired");
          handled.push(event.text());
          return { data: "paid" };
        });
      });
      browser = await startChromium();
    }, 120_000);
    afterAll(async () => {
      await browser?.close();
      await app?.close({ deadline: 0 });
      await shop?.[Symbol.asyncDispose]();
    });

    const open = (token?: string): Promise<Page> => openConsole(browser, shop.url, token);
    const send = (text: string, to = "orders"): Promise<unknown> =>
      app.invoke(to, "create", { data: text });
    const row = (page: Page, name: string) => page.locator(`tr[data-key="0/${name}"]`);

    test("the overview shows every component with its figures, what needs attention first, and goes on by itself", async () => {
      const page = await open();
      await row(page, "orders").getByText("running").waitFor();
      const first = await page.locator("tbody tr").first().textContent();
      expect(first).toContain("warehouse");
      expect(first).toMatch(/reconnecting|failed/);
      // Why: what the system said.
      expect(first).toContain("ECONNREFUSED");
      expect(await row(page, "orders").textContent()).toContain("redis.streams · input and output");
      expect(await row(page, "cache").textContent()).toContain("redis · output");
      await Promise.all(Array.from({ length: 30 }, (_, at) => send(`order ${at}`)));
      await until(() => handled.length >= 30, { what: "the orders" });
      // 30 attempts and 30 invocations.
      await row(page, "orders").locator(".col-attempts").filter({ hasText: "60" }).waitFor();
      // What a component did before it was looked at for the first time is in no rate.
      const rated = row(page, "orders").locator(".col-rate").filter({ hasText: /[1-9]/ });
      await until(
        async () => {
          await send("one more");
          return (await rated.count()) === 1;
        },
        { what: "a rate", within: 20_000, every: 200 },
      );
      await row(page, "orders").locator(".col-latency").filter({ hasText: "ms" }).waitFor();
      const line = row(page, "orders").locator("svg .line");
      await page.waitForFunction(
        "new Set(document.querySelector('tr[data-key=\"0/orders\"] svg .line').getAttribute('d').match(/ [\\d.]+/g)).size > 1",
      );
      expect(await line.count()).toBe(1);
      // What the app has is in flight until it answers.
      const inFlight = row(page, "orders").locator(".col-inFlight");
      await send("held");
      await inFlight.filter({ hasText: /^1$/ }).waitFor();
      held.resolve();
      await inFlight.filter({ hasText: /^0$/ }).waitFor();
      expect(await row(page, "orders").locator(".col-backlog").textContent()).toMatch(/^\d+$|–/);
    });

    test("a component's definition has its secrets hidden, and its findings at their lines", async () => {
      const page = await open();
      await show(page, "#/0/components/payments/definition");
      const code = page.getByRole("region", { name: "Definition of payments" });
      await code.getByText("queueName").waitFor();
      expect(await code.textContent()).toContain("***");
      expect(await page.content()).not.toContain(rabbitmq.url);
      await show(page, "#/0/components/orders/definition");
      const found = page.locator("li.found");
      await found.waitFor();
      // The line of the file, with the line that the finding names.
      const number = Number(await found.locator(".number").textContent());
      const lines = readFileSync(join(shop.daemon.folder, "components.yaml"), "utf8").split("\n");
      expect(lines[number - 1]).toContain("colour");
      expect(await found.textContent()).toContain("colour");
      expect(await accessibilityProblems(page)).toEqual([]);
    });

    test("a component's policy says who said so", async () => {
      const page = await open();
      await show(page, "#/0/components/orders/policy");
      const inbound = page.getByRole("region", { name: "Events that the app does not handle" });
      const attempts = inbound.getByRole("row").filter({ hasText: "Resiliency shop" }).first();
      expect(await attempts.textContent()).toMatch(/3.*components\.yaml:\d+/);
      await page.getByRole("region", { name: "Invocations that fail" }).waitFor();
    });

    test("the live tail shows events as they end, and counts those that it leaves out; the daemon waits for nothing", async () => {
      const page = await open();
      await show(page, "#/0/components/orders/tail");
      await page.getByText("Waiting for an event to end.").waitFor();
      await page.getByRole("radio", { name: "5/s", exact: true }).check();
      const before = handled.length;
      const leftOut = page.getByText(/[1-9]\d* left out/);
      let sent = 0;
      // What is sent before the daemon watches at the new rate is not counted.
      await until(
        async () => {
          await Promise.all(Array.from({ length: 100 }, (_, at) => send(`{"tailed":${at}}`)));
          sent += 100;
          return leftOut.isVisible();
        },
        { what: "a count of those left out", within: 20_000 },
      );
      await until(() => handled.length >= before + sent, { what: "the orders", within: 20_000 });
      const line = page.locator(".tail summary").first();
      expect(await line.textContent()).toMatch(/handled.*tailed/);
      await line.click();
      await page.getByRole("region", { name: "Content of payload" }).getByText("tailed").waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.getByRole("button", { name: "Hold" }).click();
      await page.getByRole("button", { name: "Go on" }).waitFor();
    });

    test("pause says what will happen, and then it does; resume and restart and drain too", async () => {
      const page = await open();
      await show(page, "#/0/components/orders");
      await page.getByRole("button", { name: "Pause" }).click();
      const dialog = page.getByRole("dialog");
      expect(await dialog.textContent()).toContain(
        "No more events of orders reach the app until it is resumed",
      );
      await dialog.getByLabel("Why").fill("stocktaking");
      await dialog.getByRole("button", { name: "Pause orders" }).click();
      await page.getByText("orders is paused.").waitFor();
      await page
        .getByText(/stocktaking/)
        .first()
        .waitFor();
      const before = handled.length;
      await send("while paused");
      await page.getByRole("button", { name: "Resume" }).click();
      expect(handled.length).toBe(before);
      await dialog.getByRole("button", { name: "Resume orders" }).click();
      await until(() => handled.includes("while paused"), { what: "the event of the pause" });

      await page.getByRole("button", { name: "Restart" }).click();
      expect(await dialog.textContent()).toContain("closed and opened anew");
      await dialog.getByRole("button", { name: "Restart orders" }).click();
      await page.getByText("orders is restarted.").waitFor();

      await page.getByRole("button", { name: "Drain" }).click();
      expect(await dialog.textContent()).toContain("waits up to 30 seconds");
      await dialog.getByRole("button", { name: "Drain orders" }).click();
      await page.getByText("orders is drained: the app has finished all of its events.").waitFor();
      await page.getByRole("button", { name: "Resume" }).click();
      await dialog.getByRole("button", { name: "Resume orders" }).click();
      await page.getByRole("button", { name: "Pause" }).waitFor();
    });

    test("an operation is invoked by a form made from its declaration, and the answer is shown", async () => {
      const page = await open();
      await show(page, "#/0/components/cache/invoke");
      await page.getByLabel("Operation").selectOption("create");
      await page.getByLabel("key").fill("greeting");
      await page.getByLabel("Payload").fill("hello");
      await page.getByRole("button", { name: "Invoke create" }).click();
      await page.getByText("succeeded").waitFor();
      await page.getByLabel("Operation").selectOption("get");
      await page.getByLabel("key").fill("greeting");
      await page.getByRole("button", { name: "Invoke get" }).click();
      await page.getByRole("region", { name: "Content of answer" }).getByText("hello").waitFor();
      // A mistake is the daemon's answer, and is shown as such.
      await page.getByLabel("key").fill("");
      await page.getByRole("button", { name: "Invoke get" }).click();
      await page.locator(".outcome .badge").filter({ hasText: "failed" }).waitFor();
      await expectShown(page.getByText(/key/i).first());
    });

    test("an event is emitted, and the app's answer is shown", async () => {
      const page = await open();
      await show(page, "#/0/components/payments/emit");
      await page.getByLabel("Payload").fill("12.50");
      await page.getByRole("button", { name: "Emit" }).click();
      await page.getByRole("region", { name: "Content of reply" }).getByText("paid").waitFor();
      await page.getByLabel("Payload").fill("bad card");
      await page.getByRole("button", { name: "Emit" }).click();
      await expectShown(page.getByText("the card has expired"));
    });

    test("an event's way is a timeline, found by its id, its trace id, or its dead letter", async () => {
      const page = await open();
      refuse = (text) => text.includes("lost");
      const answer = await app.invoke("orders", "create", {
        data: '{"order":"lost"}',
        metadata: { "field:traceparent": traceParent },
      });
      const id = `${stream}-${answer.metadata["id"] ?? ""}`;
      await show(page, "#/0/dead-letters?component=orders");
      await page.getByRole("link", { name: id }).click();
      await page.getByRole("link", { name: "Its way as a timeline" }).click();
      const story = page.getByRole("article");
      await story.getByText("Attempt 3: not handled").waitFor();
      const text = (await story.textContent()) ?? "";
      expect(text).toMatch(
        /Read from .*Attempt 1: not handled.*Attempt 2.*Attempt 3.*Ended: dead letter/,
      );
      expect(text).toContain("the warehouse does not know the article");
      expect(await accessibilityProblems(page)).toEqual([]);
      const trace = /trace ([0-9a-f]{32})/.exec(text)?.[1] ?? "";
      const letter = /dead letter \(([0-9a-f-]{36})\)/.exec(text)?.[1] ?? "";
      const search = page.getByLabel("Event id, trace id or dead letter id");
      for (const find of [id, trace, letter]) {
        expect(find).not.toBe("");
        await show(page, "#/0/events");
        await search.fill(find);
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { level: 2, name: id }).waitFor();
        await story.getByText("Attempt 3: not handled").waitFor();
      }
      await show(page, "#/0/events?component=orders&end=2");
      await page.getByRole("link", { name: id }).waitFor();
      await page.getByLabel("Ended").selectOption("handled");
      await page.getByRole("row").filter({ hasText: "handled" }).nth(1).waitFor();
      expect(await page.getByRole("link", { name: id }).count()).toBe(0);
      refuse = () => false;
    });

    test("a dead letter is shown as JSON, text and bytes with its headers, is edited, and redriven alone", async () => {
      const page = await open();
      refuse = (text) => text.includes('"article":0');
      const wrong = '{"article":0,"pieces":9007199254740993}';
      const answer = await app.invoke("orders", "create", {
        data: wrong,
        metadata: { "field:origin": "web" },
      });
      const id = `${stream}-${answer.metadata["id"] ?? ""}`;
      await show(page, "#/0/dead-letters?component=orders");
      await page.getByRole("link", { name: id }).click();
      const content = page.getByRole("region", { name: "Content of payload" });
      // No digit is lost, whichever way it is shown.
      await content.getByText('"pieces": 9007199254740993').waitFor();
      await page.getByRole("radio", { name: "Text" }).check();
      await content.getByText(wrong).waitFor();
      await page.getByRole("radio", { name: "Bytes" }).check();
      await content.getByText("7b 22 61 72 74").waitFor();
      expect(await page.getByRole("region", { name: "Headers" }).textContent()).toMatch(
        /origin.*web/,
      );
      await page.getByRole("button", { name: "Edit" }).click();
      const right = wrong.replace('"article":0', '"article":7731');
      await page.getByLabel("Payload", { exact: true }).fill(right);
      await page.getByText("Changes: data.").waitFor();
      await page.getByRole("button", { name: "Save…" }).click();
      const dialog = page.getByRole("dialog");
      expect(await dialog.textContent()).toContain("reaches nobody until it is redriven");
      await dialog.getByRole("button", { name: "Change it" }).click();
      await page.getByText("edited", { exact: true }).first().waitFor();
      await page.getByRole("button", { name: "Redrive…" }).click();
      expect(await dialog.textContent()).toMatch(/1 dead letter is given to the handler/);
      await dialog.getByRole("button", { name: "Redrive 1 dead letter" }).click();
      await until(() => handled.includes(right), { what: "the edited order" });
      await page.getByText("Ended: 1 dead letter handled and removed.").waitFor();
    });

    test("all that match are redriven at a rate, with a bar that stops; others are dropped; each says how many before", async () => {
      const page = await open();
      refuse = (text) => text.startsWith("batch");
      await Promise.all(Array.from({ length: 40 }, (_, at) => send(`batch ${at}`)));
      for (const text of ["bad one", "bad two"]) await send(text, "payments");
      await show(page, "#/0/dead-letters");
      await page.getByRole("listitem").filter({ hasText: "payments2 dead letters" }).waitFor();

      // What does not match stays as it is.
      await page.getByLabel("Reason contains").fill("WAREHOUSE");
      await page.getByRole("button", { name: "Filter" }).click();
      await page.getByRole("button", { name: "Redrive all that match…" }).click();
      const dialog = page.getByRole("dialog");
      const title = (await dialog.getByRole("heading").textContent()) ?? "";
      const many = Number(/(\d+) dead letters/.exec(title)?.[1]);
      expect(many).toBeGreaterThanOrEqual(40);
      expect(await dialog.textContent()).toContain("whose reason contains “WAREHOUSE”");
      expect(await dialog.textContent()).toContain("oldest first");
      refuse = () => false;
      await dialog.getByLabel("At most so many a second").fill("4");
      await dialog.getByRole("button", { name: `Redrive ${many} dead letters` }).click();
      const bar = page.getByRole("progressbar", { name: "Dead letters redriven" });
      await bar.waitFor();
      await page.getByText(new RegExp(`[3-9] of ${many}: `)).waitFor();
      // It goes on while another page is shown, and stops when it is told to.
      await show(page, "#/");
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByText("Stopped: no further dead letter is begun.").waitFor();
      const after = handled.filter((text) => text.startsWith("batch")).length;
      expect(after).toBeLessThan(40);

      await show(page, "#/0/dead-letters?component=orders");
      await page.getByRole("button", { name: "Redrive all that match…" }).click();
      await dialog.getByRole("button", { name: /^Redrive \d+ dead letters$/ }).click();
      await until(() => handled.filter((text) => text.startsWith("batch")).length === 40, {
        what: "the rest of the batch",
      });
      await page.getByText("No dead letter matches.").waitFor();

      await show(page, "#/0/dead-letters?component=payments");
      await page.getByRole("checkbox", { name: "Select", exact: false }).nth(1).check();
      await page.getByRole("button", { name: "Drop 1 selected…" }).click();
      expect(await dialog.textContent()).toContain("1 dead letter is removed for good");
      await dialog.getByRole("button", { name: "Drop 1 dead letter" }).click();
      await page.getByText("Dropped 1 dead letter.").waitFor();
      await page.getByRole("button", { name: "Drop all that match…" }).click();
      await dialog.getByRole("button", { name: "Drop 1 dead letter" }).click();
      await page.getByText("No dead letter matches.").waitFor();
    }, 60_000);

    test("dead letters go to an output instead, where that is asked for", async () => {
      const page = await open();
      await send("bad three", "payments");
      await show(page, "#/0/dead-letters?component=payments");
      await page.getByText("bad three").waitFor();
      await page.getByRole("button", { name: "Redrive all that match…" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("To").selectOption("Output orders");
      expect(await dialog.textContent()).toContain("to the output orders");
      await dialog.getByRole("button", { name: "Redrive 1 dead letter" }).click();
      await until(() => handled.includes("bad three"), { what: "the event by the other way" });
    });

    test("a reload tells what changed, and why something was refused", async () => {
      const page = await open();
      await show(page, "#/0/reloads");
      const file = join(shop.daemon.folder, "components.yaml");
      const before = readFileSync(file, "utf8");
      writeFileSync(file, before.replace('"oldest"', '"newest"'));
      await page.getByRole("button", { name: "Reload…" }).click();
      const dialog = page.getByRole("dialog");
      expect(await dialog.textContent()).toContain("proved beside the old one");
      await dialog.getByRole("button", { name: "Reload" }).click();
      // The daemon may have seen by itself that the file is another.
      const changed = page.getByRole("article").filter({ hasText: "updated" }).first();
      await changed.getByText("updated").waitFor();
      await changed.getByRole("link", { name: "orders" }).waitFor();
      writeFileSync(file, before.replace("type: bindings.rabbitmq", "type: bindings.rabbitmqq"));
      await page.getByRole("button", { name: "Reload…" }).click();
      await dialog.getByRole("button", { name: "Reload" }).click();
      await page
        .getByText(/rabbitmqq/)
        .first()
        .waitFor();
      await page
        .getByText(/refused|partly applied/i)
        .first()
        .waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      writeFileSync(file, before);
      await page.getByRole("button", { name: "Reload…" }).click();
      await dialog.getByRole("button", { name: "Reload" }).click();
      await dialog.waitFor({ state: "detached" });
    });

    test("the catalogue of types is searched, and each has its settings and operations", async () => {
      const page = await open();
      await show(page, "#/0/types");
      await page.getByLabel("Search").fill("rabbit");
      await page.getByText("1 type", { exact: true }).waitFor();
      await page.getByRole("link", { name: "rabbitmq" }).click();
      await page
        .getByRole("region", { name: "Settings of a component" })
        .getByText("queueName")
        .waitFor();
      await expectShown(page.getByRole("region", { name: "Operation create" }));
    });

    test("doctor examines every component and says what is wrong", async () => {
      const page = await open();
      await show(page, "#/0/doctor");
      await page.getByRole("button", { name: "Examine all components" }).click();
      await page.getByText(/4 components examined: \d+ (has|have) something wrong\./).waitFor();
      expect(await page.locator("tbody tr").first().textContent()).toContain("warehouse");
      expect(await page.locator("tbody tr").first().textContent()).toContain("no");
      expect(await accessibilityProblems(page)).toEqual([]);
    });

    test("a read-only token is offered no change, and the daemon refuses one", async () => {
      const page = await open(readOnlyToken);
      await page.getByText("Read-only token").waitFor();
      await show(page, "#/0/components/orders");
      await page.getByText("Counted since the daemon started").waitFor();
      for (const name of ["Pause", "Drain", "Restart"])
        expect(await page.getByRole("button", { name }).count()).toBe(0);
      expect(await page.getByRole("link", { name: "Invoke" }).count()).toBe(0);
      const answer = await fetch(`${shop.url}/rpc/0/cufflink.v1.Operations/PauseComponent`, {
        method: "POST",
        headers: { authorization: `Bearer ${readOnlyToken}`, "content-type": "application/json" },
        body: '{"name":"orders"}',
      });
      expect(answer.status).toBe(403);
      expect(await answer.text()).toContain("permission_denied");
    });

    test("the policy of the page's contents is strict, and the page lives under it", async () => {
      const answer = await fetch(`${shop.url}/`);
      const policy = answer.headers.get("content-security-policy") ?? "";
      for (const part of [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
      ])
        expect(policy).toContain(part);
      expect(policy).not.toContain("unsafe");
      const context = await browser.newContext();
      const page = await context.newPage();
      const said: string[] = [];
      page.on("console", (message) => said.push(message.text()));
      page.on("pageerror", (error) => said.push(error.message));
      const asked: string[] = [];
      page.on("request", (request) => asked.push(request.url()));
      await page.goto(`${shop.url}/#token=console-token-of-the-tests`);
      await row(page, "orders").waitFor();
      expect(said).toEqual([]);
      expect(asked.filter((url) => !url.startsWith(`${shop.url}/`))).toEqual([]);
      expect(asked.filter((url) => url.includes("console-token"))).toEqual([]);
      await context.close();
    });

    test("a page of another site gets nothing, not even with the token", async () => {
      for (const headers of [
        { origin: "http://evil.example" },
        { "sec-fetch-site": "cross-site" },
      ]) {
        const answer = await fetch(`${shop.url}/session`, {
          headers: { ...headers, authorization: "Bearer console-token-of-the-tests" },
        });
        expect(answer.status).toBe(403);
      }
    });

    test("a daemon that ends is told as lost, and shown again once it is back", async () => {
      const page = await open();
      await row(page, "orders").getByText("running").waitFor();
      const restarted = shop.restart();
      await page.getByText("Connection lost").waitFor();
      await restarted;
      await page.getByText("Connection lost").waitFor({ state: "detached" });
      await expectShown(row(page, "cache").getByText("running"));
    }, 90_000);
  });
});
