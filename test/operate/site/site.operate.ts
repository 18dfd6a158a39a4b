// The built site in a browser that has no network but the site's own files: its search, its navigation, and its looks.
import { createServer } from "node:http";
import { existsSync, readFileSync, statSync } from "node:fs";
import { execFileSync } from "node:child_process";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Page } from "playwright-core";
import { hasChromium, startChromium } from "../../console/browser.ts";
import { root } from "../../docs/pages.ts";

const built = join(root, "site/.vitepress/dist");
const types: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

describe.skipIf(!hasChromium)("with Chromium", () => {
  test(
    "the site is searched, read and navigated without a network",
    { timeout: 300_000 },
    async () => {
      execFileSync(process.execPath, ["scripts/site.ts", "build"], { cwd: root, stdio: "ignore" });
      const { page, asked, origin } = await open();

      await page.goto(`${origin}/`);
      await page.keyboard.press("Control+k");
      await page.locator("#localsearch-input").fill("redriven twice");
      await page.locator("#localsearch-list a").first().waitFor();
      for (const [words, expected] of [
        ["dead letter", "/dead-letters.html"],
        ["couldn't find output binding", "/errors/runtime.html"],
        ["idempotencyWindow", "/idempotency.html"],
        ["InvokeBindingBatch", "/reference/rpcs.html"],
      ] as const) {
        await page.locator("#localsearch-input").fill(words);
        const found = page.locator(`#localsearch-list a[href^="${expected}"]`).first();
        await found.waitFor();
      }
      await page.locator('#localsearch-list a[href^="/reference/rpcs.html"]').first().click();
      await page.locator("h1", { hasText: "cufflink.v1" }).waitFor();

      await page.locator("nav a", { hasText: "Delivery" }).first().click();
      await page.locator("h1", { hasText: "Delivery" }).waitFor();
      expect(await background(page)).toBe("rgb(255, 255, 255)");
      await page.emulateMedia({ colorScheme: "dark" });
      await page.reload();
      expect(await background(page)).not.toBe("rgb(255, 255, 255)");

      expect(
        asked.filter((url) => !url.startsWith(`${origin}/`) && !/^(data|blob):/.test(url)),
      ).toEqual([]);
    },
  );
});

/** A page of the site, and all that it asks for. */
async function open(): Promise<{ page: Page; asked: string[]; origin: string }> {
  const server = createServer((request, response) => {
    const path = decodeURI((request.url ?? "/").split("?", 1)[0] ?? "/");
    const place = join(built, path);
    const file =
      existsSync(place) && statSync(place).isDirectory() ? join(place, "index.html") : place;
    if (!existsSync(file)) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" });
    response.end(readFileSync(file));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => void server.close());
  const browser = await startChromium();
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  return { page, asked, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function background(page: Page): Promise<string> {
  return page.evaluate("getComputedStyle(document.body).backgroundColor");
}
