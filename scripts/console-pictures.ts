// Makes the pictures of the console in docs/images: `npm run pictures`. The daemon behind them is made up
// (test/console/shop.ts), and so they are the same each time, but for the letters that this machine has.
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Page } from "playwright-core";
import { builtPage, startChromium } from "../test/console/browser.ts";
import { shopTime } from "../test/console/shop.ts";
import { startStandIn, token } from "../test/console/stand-in.ts";

type Picture = {
  readonly name: string;
  readonly hash: string;
  /** What is there when it is drawn. */
  readonly text: string;
  readonly dark?: boolean;
  readonly narrow?: boolean;
  readonly height?: number;
  /** What is done before. */
  readonly act?: (page: Page) => Promise<void>;
};

const letter = "0197a2c4-9d00-7000-8000-000000000003";

const pictures: readonly Picture[] = [
  { name: "overview", hash: "#/", text: "invoices-ftp" },
  { name: "overview-dark", hash: "#/", text: "invoices-ftp", dark: true },
  { name: "overview-narrow", hash: "#/", text: "invoices-ftp", narrow: true },
  { name: "component", hash: "#/0/components/orders", text: "Counted since", height: 620 },
  {
    name: "definition",
    hash: "#/0/components/orders/definition",
    text: "Secrets are shown as ***",
    height: 880,
  },
  { name: "live-events", hash: "#/0/components/orders/tail", text: "14 shown", height: 620 },
  {
    name: "invoke",
    hash: "#/0/components/cache/invoke",
    text: "Stores the data under the key",
    height: 980,
    async act(page) {
      await page.getByLabel("key").fill("order-42");
      await page.getByLabel("Payload").fill("paid");
      await page.getByRole("button", { name: "Invoke create" }).click();
      await page.getByText("succeeded").waitFor();
    },
  },
  {
    name: "why",
    hash: "#/0/events?find=orders%2F4%2F92396",
    text: "Attempt 3: not handled",
    height: 560,
  },
  { name: "dead-letters", hash: "#/0/dead-letters", text: "orders/0/91800", dark: true },
  { name: "dead-letter", hash: `#/0/dead-letters/${letter}`, text: "Its way as a timeline" },
  {
    name: "redrive",
    hash: "#/0/dead-letters?component=orders",
    text: "orders/0/91800",
    height: 620,
    async act(page) {
      await page.getByRole("button", { name: "Redrive all that match…" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  { name: "reloads", hash: "#/0/reloads", text: "4 components are as before", height: 580 },
  {
    name: "doctor",
    hash: "#/0/doctor",
    text: "Nothing was examined yet",
    height: 620,
    async act(page) {
      await page.getByRole("button", { name: "Examine all components" }).click();
      await page.getByText("13 components examined").waitFor();
    },
  },
];

const out = resolve(import.meta.dirname, "../docs/images");
mkdirSync(out, { recursive: true });
const built = await builtPage();
const server = await startStandIn({ page: built.folder });
const browser = await startChromium();
try {
  for (const picture of pictures) await take(picture);
} finally {
  await browser.close();
  await server[Symbol.asyncDispose]();
  built.dispose();
}

async function take({ name, hash, text, dark, narrow, height = 760, act }: Picture): Promise<void> {
  const context = await browser.newContext({
    viewport: { width: narrow ? 380 : 1280, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    timezoneId: "UTC",
    locale: "en",
  });
  const page = await context.newPage();
  await page.clock.setFixedTime(shopTime);
  // Each call takes as long as the others.
  await page.addInitScript("{ let now = 0; performance.now = () => (now += 6); }");
  await page.goto(`${server.url}/#token=${token}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.getByText(text).first().waitFor();
  await act?.(page);
  const png = await page.screenshot({ caret: "hide" });
  writeFileSync(join(out, `console-${name}.webp`), await toWebp(png));
  await context.close();
}

/** A third of the size, by the browser's own encoder. */
async function toWebp(png: Buffer): Promise<Buffer> {
  const page = await browser.newPage();
  const url = await page.evaluate<string>(`(async () => {
    const image = new Image();
    image.src = "data:image/png;base64,${png.toString("base64")}";
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.9);
  })()`);
  await page.close();
  return Buffer.from(url.slice(url.indexOf(",") + 1), "base64");
}
