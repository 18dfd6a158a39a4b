// How every page looks, with made-up data: what axe finds, how wide it is, how it is used by the keyboard alone.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ConsoleManifest } from "../../../scripts/build-console.ts";
import { record } from "../record.ts";
import { describeWithTools } from "../tools.ts";
import { accessibilityProblems, builtPage, startChromium } from "../../console/browser.ts";
import { type StandIn, startStandIn, token } from "../../console/stand-in.ts";

const letter = "0197a2c4-9d00-7000-8000-000000000003";

/** Every page, with a heading that is there when it is drawn. */
const pages: readonly (readonly [name: string, hash: string, text: string])[] = [
  ["overview", "#/", "invoices-ftp"],
  ["component", "#/0/components/orders", "Counted since the daemon started"],
  ["definition", "#/0/components/orders/definition", "Secrets are shown as ***"],
  ["policy", "#/0/components/orders/policy", "Resiliency shop (resiliency.yaml:12)"],
  ["live events", "#/0/components/orders/tail", "14 shown"],
  ["invoke", "#/0/components/cache/invoke", "Stores the data under the key"],
  ["emit", "#/0/components/orders/emit", "as if it came from orders"],
  ["events", "#/0/events", "orders/0/92400"],
  ["why", "#/0/events?find=orders%2F4%2F92396", "Attempt 3: not handled"],
  ["dead letters", "#/0/dead-letters", "orders/0/91800"],
  ["dead letter", `#/0/dead-letters/${letter}`, "Its way as a timeline"],
  ["reloads", "#/0/reloads", "4 components are as before"],
  ["types", "#/0/types", "aws.dynamodb"],
  ["type", "#/0/types/kafka", "Settings of a component"],
  ["doctor", "#/0/doctor", "Nothing was examined yet"],
  ["nothing", "#/0/nowhere", "This address leads nowhere"],
];

const looks: readonly (readonly [name: string, options: BrowserContextOptions])[] = [
  ["light", { colorScheme: "light", viewport: { width: 1280, height: 800 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1280, height: 800 } }],
  ["light and narrow", { colorScheme: "light", viewport: { width: 360, height: 740 } }],
  ["dark and narrow", { colorScheme: "dark", viewport: { width: 360, height: 740 } }],
];

let built: Awaited<ReturnType<typeof builtPage>>;
let server: StandIn;
let browser: Browser;

async function open(options: BrowserContextOptions, on = server): Promise<Page> {
  const page = await browser.newPage({ ...options, reducedMotion: "reduce" });
  await page.goto(`${on.url}/#token=${token}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  return page;
}

async function show(page: Page, hash: string, text: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.getByText(text).first().waitFor();
}

describeWithTools("the console's page in Chromium", { programs: ["chromium"] }, () => {
  beforeAll(async () => {
    built = await builtPage();
    server = await startStandIn({ page: built.folder });
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    built.dispose();
  });

  test.each(looks)(
    "%s: axe finds nothing on any page, and none is too wide",
    async (_, options) => {
      const page = await open(options);
      for (const [name, hash, text] of pages) {
        await show(page, hash, text);
        expect(await accessibilityProblems(page), name).toEqual([]);
        const tooWide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
        expect(tooWide, name).toBeLessThanOrEqual(0);
      }
      await page.close();
    },
    120_000,
  );

  test.each(looks)(
    "%s: axe finds nothing in dialogs, forms and results",
    async (_, options) => {
      const page = await open(options);
      await show(page, "#/0/components/orders", "Counted since");
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByRole("dialog").waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.keyboard.press("Escape");
      await show(page, `#/0/dead-letters/${letter}`, "Its way as a timeline");
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByRole("heading", { name: "Edit the event" }).waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      await show(page, "#/0/dead-letters", "orders/0/91800");
      await page.getByRole("button", { name: "Redrive all…" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Redrive 39" }).click();
      await page.getByText("24 of 39:").waitFor();
      await page.getByText("Not handled", { exact: true }).click();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByText("Stopped: no further dead letter is begun.").waitFor();
      await show(page, "#/0/doctor", "Nothing was examined yet");
      await page.getByRole("button", { name: "Examine all components" }).click();
      await page.getByText("13 components examined: 2 have something wrong.").waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.close();
    },
    120_000,
  );

  test("the theme follows the system until one is chosen", async () => {
    const page = await open({ colorScheme: "dark" });
    const ground = (): Promise<unknown> =>
      page.evaluate("getComputedStyle(document.documentElement).backgroundColor");
    const dark = await ground();
    await page.emulateMedia({ colorScheme: "light" });
    const light = await ground();
    expect(light).not.toBe(dark);
    await page.getByLabel("Colours").selectOption("Dark");
    expect(await ground()).toBe(dark);
    await page.close();
  });

  test("nothing moves where less motion is asked for", async () => {
    const page = await open({});
    await show(page, "#/0/components/orders", "Counted since");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("dialog").waitFor();
    expect(await page.evaluate("document.getAnimations().length")).toBe(0);
    await page.close();
  });

  test("the keyboard alone reaches everything: skip link, rows, dialogs that keep the focus and give it back", async () => {
    const page = await open({});
    await page.getByRole("link", { name: "invoices-ftp" }).waitFor();
    const focused = (): Promise<unknown> =>
      page.evaluate(
        "(document.activeElement?.textContent || document.activeElement?.getAttribute('placeholder') || '').trim()",
      );
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Skip to the content");
    await page.keyboard.press("Enter");
    expect(await focused()).toBe("Overview");
    // The filters are one stop, then the search, the headings to sort by, and the rows.
    const stops: unknown[] = [];
    while (!stops.includes("invoices-ftp") && stops.length < 20) {
      await page.keyboard.press("Tab");
      stops.push(await focused());
    }
    expect(stops).toContain("Name or type");
    expect(stops).toContain("State");
    expect(stops.at(-1)).toBe("invoices-ftp");
    const outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    expect(outline).toBe("solid");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "invoices-ftp" }).waitFor();
    expect(await focused()).toBe("invoices-ftp");
    expect(await page.title()).toBe("invoices-ftp · Cufflink");

    const restart = page.getByRole("button", { name: "Restart" });
    await restart.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Restart invoices-ftp?" }).waitFor();
    for (let tab = 0; tab < 6; tab++) {
      await page.keyboard.press("Tab");
      // The browser's own controls have their turn too; nothing behind the dialog has.
      const inside =
        "document.activeElement === document.body || !!document.activeElement.closest('dialog')";
      expect(await page.evaluate(inside)).toBe(true);
    }
    await page.keyboard.press("Escape");
    await page.waitForFunction("document.activeElement.textContent === 'Restart'");
    await page.close();
  });

  test("a lost connection is told, and what is shown goes on once it is back", async () => {
    await using other = await startStandIn({ page: built.folder });
    const page = await open({}, other);
    await page.getByRole("link", { name: "invoices-ftp" }).waitFor();
    other.away();
    await page.getByText("Connection lost").waitFor();
    expect(await page.getByRole("alert").first().textContent()).toContain("trying again");
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByRole("link", { name: "invoices-ftp" }).waitFor();
    other.back();
    await page.getByText("Connection lost").waitFor({ state: "detached" });
    await page.getByText("Connected to shop again.").waitFor();
    await page.close();
  });

  test("1,000 components and 10,000 dead letters stay fluid", { timeout: 120_000 }, async () => {
    const many = { page: built.folder, more: 987, deadLetters: 10_000 };
    await using other = await startStandIn(many);
    const page = await open({ viewport: { width: 1280, height: 800 } }, other);
    await page.getByText("All 1,000").waitFor();
    const rows = (): Promise<number> => page.locator("tbody tr[data-key]").count();
    expect(await rows()).toBeLessThan(100);
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)");
    await page.getByRole("link", { name: "feed-0986" }).waitFor();
    expect(await rows()).toBeLessThan(100);
    // Rows that are not drawn are counted.
    expect(await page.getByRole("table").getAttribute("aria-rowcount")).toBe("1001");
    // Each step of a long scroll draws within some frames, however busy the machine is.
    const slowest = await page.evaluate<number>(`(async () => {
      let slowest = 0;
      for (let at = 0; at < 60; at++) {
        const began = performance.now();
        scrollTo(0, at * 900);
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        slowest = Math.max(slowest, performance.now() - began);
      }
      return slowest;
    })()`);
    expect(slowest).toBeLessThan(1000);
    const text = readFileSync(join(built.folder, "manifest.json"), "utf8");
    const { files } = JSON.parse(text) as ConsoleManifest;
    const kilobytes = (encoding: "br" | "gzip"): number =>
      Math.round(
        Object.values(files).reduce(
          (all, one) => all + (one.encodings[encoding]?.bytes ?? NaN),
          0,
        ) / 1000,
      );
    await record("console", {
      chromium: browser.version(),
      axe: axe.version,
      pagesExamined: pages.length,
      looksOfEach: looks.map(([name]) => name),
      kilobytesByBrotli: kilobytes("br"),
      kilobytesByGzip: kilobytes("gzip"),
      slowestStepOfScrollingThousandRowsMilliseconds: Math.round(slowest),
    });
    await page.getByLabel("Find").fill("feed-0500");
    await page.getByRole("link", { name: "feed-0500" }).waitFor();
    expect(await rows()).toBe(1);

    await show(page, "#/0/dead-letters", "Page 1");
    expect(await rows()).toBeLessThanOrEqual(100);
    await page.getByRole("button", { name: "Newer" }).click();
    await page.getByText("Page 2").waitFor();
    await page.getByText("orders/4/91900").waitFor();
    await page.getByRole("button", { name: "Redrive all…" }).click();
    await page.getByRole("dialog", { name: "Redrive 10,000 dead letters?" }).waitFor();
    await page.close();
  });

  test("in a narrow window rows are blocks of one height, and the table is one for a screen reader", async () => {
    await using other = await startStandIn({ page: built.folder, more: 987 });
    const page = await open({ viewport: { width: 360, height: 740 } }, other);
    await page.getByText("All 1,000").waitFor();
    const heights = await page.evaluate<number[]>(
      "[...document.querySelectorAll('tbody tr[data-key]')].map((row) => row.offsetHeight)",
    );
    expect(new Set(heights).size).toBe(1);
    const cut = await page.evaluate<number>(
      "[...document.querySelectorAll('tbody tr[data-key]')].filter((row) => row.scrollHeight > row.clientHeight + 1).length",
    );
    expect(cut).toBe(0);
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)");
    await page.getByRole("rowheader", { name: /feed-0986/ }).waitFor();
    await page.close();
  });

  test("several daemons are shown together, and each alone", async () => {
    await using other = await startStandIn({
      page: built.folder,
      daemons: ["berlin", "oslo", "rome", "york"],
    });
    const page = await open({}, other);
    await page.getByText("All 52").waitFor();
    const first = page.getByRole("row").nth(1);
    expect(await first.textContent()).toContain("berlin");
    expect(await page.getByRole("cell", { name: "york" }).count()).toBeGreaterThan(0);
    await page.getByLabel("Daemon").selectOption("rome");
    await page.getByRole("heading", { level: 1, name: "Events" }).waitFor();
    expect(page.url()).toContain("#/2/events");
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.close();
  });

  test("a read-only token is offered no change on any page", async () => {
    await using other = await startStandIn({ page: built.folder, readOnly: true });
    const page = await open({}, other);
    await page.getByText("Read-only token").waitFor();
    const offered: string[] = [];
    for (const [name, hash] of pages) {
      const text = ["invoke", "emit"].includes(name) ? "The token is read-only" : undefined;
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      if (text !== undefined) await page.getByText(text).waitFor();
      await page.getByRole("heading", { level: 1 }).waitFor();
      offered.push(...(await page.getByRole("button").allTextContents()));
    }
    const changes = /pause|resume|drain|restart|redrive|drop|edit|reload…|invoke|emit/i;
    expect(offered.filter((name) => changes.test(name))).toEqual([]);
    await page.close();
  });

  test("without a token the page asks for it, and a wrong one is told", async () => {
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.getByLabel("Token").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("This token is not the console's.").waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByLabel("Token").fill(token);
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "invoices-ftp" }).waitFor();
    // It is kept nowhere: a page that is loaded again has none.
    expect(
      await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])"),
    ).not.toContain(token);
    await page.reload();
    await page.getByLabel("Token").waitFor();
    await page.close();
  });
});
