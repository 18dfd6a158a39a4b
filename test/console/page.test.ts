import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ConsoleManifest } from "../../scripts/build-console.ts";
import { accessibilityProblems, builtPage, hasChromium, startChromium } from "./browser.ts";
import { startStandIn, token } from "./stand-in.ts";

let page: Awaited<ReturnType<typeof builtPage>>;

beforeAll(async () => {
  page = await builtPage();
});
afterAll(() => page.dispose());

test("the page is under 150 kB compressed, all in all, and each of its files is there", () => {
  const text = readFileSync(join(page.folder, "manifest.json"), "utf8");
  const { files } = JSON.parse(text) as ConsoleManifest;
  const sum = (encoding: "br" | "gzip"): number =>
    Object.values(files).reduce(
      (all, { encodings }) => all + (encodings[encoding]?.bytes ?? NaN),
      0,
    );
  expect(sum("gzip")).toBeLessThan(150_000);
  expect(sum("br")).toBeLessThan(sum("gzip"));
  for (const { file, encodings } of Object.values(files)) {
    expect(existsSync(join(page.folder, file))).toBe(true);
    for (const { file: compressed } of Object.values(encodings))
      expect(existsSync(join(page.folder, compressed))).toBe(true);
  }
  expect(files["/"]).toMatchObject({ file: "index.html", immutable: false });
  const names = readdirSync(join(page.folder, "assets")).filter((name) => /\.(js|css)$/.test(name));
  for (const name of names) expect(files[`/assets/${name}`]).toMatchObject({ immutable: true });
});

test("nothing in the page names another place, and nothing in it is inline", () => {
  const index = readFileSync(join(page.folder, "index.html"), "utf8");
  expect(index).not.toMatch(/style=|<style|<script(?![^>]*src="\/assets\/)/);
  for (const name of readdirSync(join(page.folder, "assets"))) {
    if (!/\.(js|css)$/.test(name)) continue;
    const text = readFileSync(join(page.folder, "assets", name), "utf8");
    expect(text).not.toMatch(/url\(|@import|\beval\(|new Function/);
    const places = [...text.matchAll(/https?:\/\/[\w.-]+/g)].map(([place]) => place);
    // The names of XML's and of the wire's own things, which nobody asks for.
    const names = /^http:\/\/www\.w3\.org$|^https?:\/\/(type\.googleapis\.com|connectrpc\.com)$/;
    expect(places.filter((place) => !names.test(place))).toEqual([]);
  }
});

test.runIf(hasChromium)(
  "in Chromium the page opens by its link, keeps the token out of the address, and axe finds nothing",
  async () => {
    await using server = await startStandIn({ page: page.folder });
    const browser = await startChromium();
    try {
      const tab = await browser.newPage();
      const problems: string[] = [];
      tab.on("console", (message) => problems.push(message.text()));
      tab.on("pageerror", (error) => problems.push(error.message));
      const asked: string[] = [];
      tab.on("request", (request) => asked.push(request.url()));
      await tab.goto(`${server.url}/#token=${token}`);
      await tab.getByRole("link", { name: "invoices-ftp" }).waitFor();
      expect(tab.url()).toBe(`${server.url}/#/`);
      expect(await tab.getByRole("row").nth(1).textContent()).toContain("host key has changed");
      expect(await accessibilityProblems(tab)).toEqual([]);
      expect(problems).toEqual([]);
      expect(asked.filter((url) => !url.startsWith(server.url))).toEqual([]);
      expect(server.paths.filter((path) => path.includes(token))).toEqual([]);
    } finally {
      await browser.close();
    }
  },
);
