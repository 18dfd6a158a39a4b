// A real daemon with its console, an app, and a browser that has the page open.
import { globSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { onTestFinished } from "vitest";
import { buildConsole } from "../../../scripts/build-console.ts";
import { type BindingApp, createApp } from "../../../src/sdk/index.ts";
import { type Daemon, startDaemon } from "../../e2e/daemon.ts";
import { withFileLock } from "../../servers/install.ts";
import { releasePort, reservePort } from "../../servers/ports.ts";
import { until } from "../../until.ts";

export const fullToken = "console-token-of-the-tests";
export const readOnlyToken = "console-token-that-only-looks";

/** Builds the page where the daemon of this checkout finds it, unless it is there and newer than what it is made of. */
export function buildPage(): Promise<void> {
  const root = resolve(import.meta.dirname, "../../..");
  const out = join(root, "dist/console");
  return withFileLock("cufflink-console-page", async () => {
    const manifest = statSync(join(out, "manifest.json"), { throwIfNoEntry: false });
    const sources = globSync(["console/**/*", "gen/**/*", "package-lock.json"], { cwd: root });
    const isFresh = sources.every(
      (file) => statSync(join(root, file)).mtimeMs < (manifest?.mtimeMs ?? 0),
    );
    // A daemon of another test may be reading it.
    if (!isFresh) await buildConsole(out);
  });
}

export type ConsoleDaemon = {
  readonly daemon: Daemon;
  /** The console's address. */
  readonly url: string;
  /** Ends it and starts it anew on the same ports, with the same components and records. `token`: another one than before. */
  restart(token?: string): Promise<void>;
};

/** A daemon with a console, which ends with the test, or with `dispose`. */
export async function startConsoleDaemon(options: {
  readonly components: Parameters<typeof startDaemon>[0]["components"];
  readonly flags?: readonly string[];
}): Promise<ConsoleDaemon & AsyncDisposable> {
  const state = mkdtempSync(join(tmpdir(), "cufflink-console-state-"));
  const [http, grpc, port] = [await reservePort(), await reservePort(), await reservePort()];
  const start = (token = fullToken): Promise<Daemon> =>
    startDaemon({
      components: options.components,
      flags: ["--console-port", String(port), ...(options.flags ?? [])],
      ports: { http, grpc },
      env: {
        XDG_STATE_HOME: state,
        CUFFLINK_CONSOLE_TOKEN: token,
        CUFFLINK_CONSOLE_READ_ONLY_TOKEN: readOnlyToken,
      },
    });
  let daemon = await start();
  return {
    get daemon() {
      return daemon;
    },
    url: `http://127.0.0.1:${port}`,
    async restart(token) {
      await daemon[Symbol.asyncDispose]();
      daemon = await start(token);
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      for (const one of [http, grpc, port]) await releasePort(one);
      rmSync(state, { recursive: true, force: true });
    },
  };
}

/** An app of this process, that has told the daemon which events it wants. */
export async function startConsoleApp(
  { daemon }: ConsoleDaemon,
  handlers: (app: BindingApp) => void,
): Promise<BindingApp> {
  const app = createApp({ runtime: `127.0.0.1:${daemon.grpcPort}`, log: () => undefined });
  handlers(app);
  await app.start();
  await until(() => app.connected, { what: "the app to be connected" });
  return app;
}

/** Opens the page by its link. What the page complains of fails the test. */
export async function openConsole(
  browser: Browser,
  url: string,
  token = fullToken,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${url}/#token=${token}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  return page;
}

/** Goes to a part of the page. */
export async function show(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}

/** Waits until something is shown. */
export async function expectShown(locator: Locator): Promise<void> {
  await locator.waitFor();
}
