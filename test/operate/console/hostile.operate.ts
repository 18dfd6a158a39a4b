// What senders of events, and those who know no token, may try against the console's page: a real daemon, a real webhook.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BindingApp, DeadLetter } from "../../../src/sdk/index.ts";
import { startChromium } from "../../console/browser.ts";
import { ask } from "../../server/console/console.ts";
import { releasePort, reservePort } from "../../servers/ports.ts";
import { until } from "../../until.ts";
import { describeWithTools } from "../tools.ts";
import {
  buildPage,
  fullToken,
  openConsole,
  show,
  startConsoleApp,
  startConsoleDaemon,
} from "./daemon.ts";

const longName = `long-${"n".repeat(247)}`;

describeWithTools("a hostile sender, in Chromium", { programs: ["chromium"] }, () => {
  let shop: Awaited<ReturnType<typeof startConsoleDaemon>>;
  let browser: Browser;
  let app: BindingApp;
  let hookPort: number;
  let refuse = true;
  const handled: Uint8Array[] = [];

  beforeAll(async () => {
    await buildPage();
    hookPort = await reservePort();
    const metadata = { address: `127.0.0.1:${hookPort}`, path: "/in" };
    shop = await startConsoleDaemon({
      components: [
        { name: "hook", type: "bindings.webhook", metadata },
        {
          ...{ name: longName, type: "bindings.webhook" },
          metadata: { ...metadata, path: "/long" },
        },
      ],
    });
    app = await startConsoleApp(shop, (to) => {
      for (const name of ["hook", longName])
        to.on(name, ({ data }) => {
          if (refuse) throw new DeadLetter("<b>no</b> \u202egnp.exe");
          handled.push(data ?? new Uint8Array());
        });
    });
    browser = await startChromium();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await app?.close({ deadline: 0 });
    await shop?.[Symbol.asyncDispose]();
    await releasePort(hookPort);
  });

  const consolePort = (): number => Number(new URL(shop.url).port);

  /** Calls the daemon as the page does. */
  async function call<Answer>(path: string, request: object = {}): Promise<Answer> {
    const asked = { token: fullToken, body: JSON.stringify(request) };
    const { status, text } = await ask(consolePort(), `/rpc/0/cufflink.v1.${path}`, asked);
    expect([status, status === 200 ? "" : text]).toEqual([200, ""]);
    return JSON.parse(text) as Answer;
  }

  /** Sends an event that becomes a dead letter; resolves to its id. */
  async function letter(
    body: string | Uint8Array,
    headers: Record<string, string> = {},
    path = "/in",
  ): Promise<string> {
    const known = await ids();
    const type = { "content-type": "application/octet-stream", ...headers };
    const answer = await ask(hookPort, path, { body, headers: type });
    expect([answer.status, answer.text]).toEqual([202, ""]);
    const fresh = (await ids()).filter((id) => !known.includes(id));
    expect(fresh).toHaveLength(1);
    return fresh[0] ?? "";
  }

  async function ids(): Promise<string[]> {
    const { deadLetters = [] } = await call<{ deadLetters?: { id: string }[] }>(
      "DeadLetters/ListDeadLetters",
      { pageSize: 1000, maxDataSize: 1 },
    );
    return deadLetters.map(({ id }) => id);
  }

  test("whatever a payload is, its page shows it, and nothing of it is anything but text", async () => {
    const page = await openConsole(browser, shop.url);
    const problems: string[] = [];
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("dialog", (dialog) => problems.push(`a dialog: ${dialog.message()}`));
    const markup = `<img src=x onerror="alert(1)"><script>alert(2)</script>`;
    const large = JSON.stringify({ first: markup, rows: Array(400_000).fill(12345) });
    const payloads: readonly (readonly [string | Uint8Array, string])[] = [
      [markup, markup],
      ["[".repeat(50_000) + "]".repeat(50_000), "[\n  [\n    ["],
      [large, '"first": "<img src=x'],
      [Uint8Array.from({ length: 4096 }, (_, at) => (at * 7) % 256), "000000  00 07 0e"],
      ["invoice-\u202egnp.exe", "invoice-⟨U+202E⟩gnp.exe"],
      ["", "(empty)"],
    ];
    for (const [body, shown] of payloads) {
      const id = await letter(body, { "x-note": `${markup}\u00ff` });
      await show(page, `#/0/dead-letters/${id}`);
      const content = page.getByRole("region", { name: "Content of payload" });
      await content.waitFor();
      expect((await content.textContent())?.slice(0, 10_000)).toContain(shown);
      expect(await content.textContent()).not.toContain("(This is not JSON.)");
      for (const view of ["JSON", "Text", "Bytes"])
        await page.getByRole("radio", { name: view }).check();
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByText("Nothing is changed yet.").waitFor();
      await page.getByRole("button", { name: "Cancel" }).click();
    }
    await show(page, "#/0/dead-letters");
    await page.getByText("invoice-⟨U+202E⟩gnp.exe").waitFor();
    expect(await page.locator("main img, main script").count()).toBe(0);
    expect(problems).toEqual([]);
  });

  test("a name as long as names may be breaks no page, and the window scrolls to no side", async () => {
    await letter("from afar", {}, "/long");
    const page = await openConsole(browser, shop.url);
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 720 });
      expect([width, await tooWide(page)]).toEqual([width, []]);
    }
  });

  /** The pages that are wider than the window. */
  async function tooWide(page: Page): Promise<string[]> {
    const found: string[] = [];
    for (const hash of [
      "#/",
      `#/0/components/${longName}`,
      `#/0/components/${longName}/definition`,
      "#/0/dead-letters",
      "#/0/reloads",
      "#/0/doctor",
    ]) {
      await show(page, hash);
      const examine = page.getByRole("button", { name: "Examine all components" });
      if (hash === "#/0/doctor") await examine.click();
      await page.getByText(longName).first().waitFor();
      const wide = await page.evaluate<number>(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      if (wide > 0) found.push(`${hash}: ${wide} pixels`);
    }
    return found;
  }

  test("an edit keeps the ends of lines, and the bytes of headers", async () => {
    const page = await openConsole(browser, shop.url);
    const note = Buffer.from([0x66, 0xff]).toString("latin1");
    const id = await letter(Buffer.from("MSH|1\r\nPID|2\r\n"), { "x-note": note });
    await show(page, `#/0/dead-letters/${id}`);
    await page.getByRole("button", { name: "Edit" }).click();
    const payload = page.getByLabel("Payload", { exact: true });
    await payload.fill((await payload.inputValue()).replace("PID|2", "PID|3"));
    const names = await page.getByLabel(/^Name of header/).all();
    const written = await Promise.all(names.map((name) => name.inputValue()));
    const at = written.indexOf("x-note");
    const value = page.getByLabel(`Value of header ${at + 1}`);
    expect(await value.inputValue()).toBe("0x 66 ff");
    await value.fill("0x 67 f");
    await page.getByText("something else than pairs of hexadecimal digits").waitFor();
    await value.fill("0x 67 fe");
    await page.getByText("Changes: data, headers.").waitFor();
    await page.getByRole("button", { name: "Save…" }).click();
    await page.getByRole("button", { name: "Change it" }).click();
    await page.getByText("edited", { exact: true }).first().waitFor();
    const { deadLetter } = await call<{
      deadLetter: { event: { headers: { name: string; value: string }[] } };
    }>("DeadLetters/GetDeadLetter", { id });
    const header = deadLetter.event.headers.find(({ name }) => name === "x-note");
    expect(Buffer.from(header?.value ?? "", "base64")).toEqual(Buffer.from([0x67, 0xfe]));
    refuse = false;
    await page.getByRole("button", { name: "Redrive…" }).click();
    await page.getByRole("button", { name: "Redrive 1 dead letter" }).click();
    await until(() => handled.length > 0, { what: "the edited event" });
    expect(Buffer.from(handled[0] ?? []).toString()).toBe("MSH|1\r\nPID|3\r\n");
    refuse = true;
  });

  test("a link that is opened in the same tab counts, and its token leaves the address, whatever it is", async () => {
    const page = await openConsole(browser, shop.url);
    for (const wrong of ["%", "%ff", "wrong-token-of-somebody", "tok%E2%82%ACn"]) {
      await show(page, `#token=${wrong}`);
      await page.getByText("This token is not the console's.").waitFor();
      expect(page.url()).toBe(`${shop.url}/#/`);
    }
    await show(page, `#token=${fullToken}`);
    await page.getByRole("link", { name: "hook", exact: true }).waitFor();
    expect(page.url()).toBe(`${shop.url}/#/`);
  });

  test("a page whose token is not taken any more shows nothing more, and asks for the new one", async () => {
    const page = await openConsole(browser, shop.url);
    await page.getByRole("link", { name: "hook", exact: true }).waitFor();
    const next = "the-next-token-of-the-console";
    await shop.restart(next);
    await page.getByText("The token is not taken any more").waitFor();
    expect(await page.getByRole("link", { name: "hook", exact: true }).count()).toBe(0);
    await page.getByLabel("Token").fill(next);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByRole("link", { name: "hook", exact: true }).waitFor();
    await shop.restart();
  });
});
