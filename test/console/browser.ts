import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe, { type AxeResults } from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { buildConsole } from "../../scripts/build-console.ts";
import { findProgram } from "../servers/server-process.ts";

const executablePath = findProgram("chromium");

/** Whether there is a browser; where there is none, tests that need one are left out by name. */
export const hasChromium = executablePath !== undefined;

/** A headless Chromium. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({
    ...(executablePath !== undefined && { executablePath }),
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
}

/** The page, built as it is published, in a folder that `dispose` removes. */
export async function builtPage(): Promise<{ folder: string; dispose: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-console-"));
  await buildConsole(join(folder, "console"));
  return {
    folder: join(folder, "console"),
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** What axe finds on a page, in a line each. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  // By the driver, which the page's policy does not concern.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<AxeResults>("axe.run(document)");
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary = "" }) => `${id}: ${help}\n  ${html}\n  ${failureSummary}`),
  );
}
