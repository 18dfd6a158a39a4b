import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished as ofThisTest } from "vitest";
import { startDaemon, type ComponentYaml, type Daemon } from "../e2e/daemon.ts";
import { isLong } from "../long.ts";
import { until } from "../until.ts";

/** With `npm run test:certification` the times are those of Dapr's own plans; otherwise a tenth, 500 ms at least. */
export function durationOf(seconds: number): number {
  return isLong ? seconds * 1000 : Math.max(500, seconds * 100);
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Starts a daemon with these components, and an app where a port is given; it ends with the test. One that runs beside
 * others gives its own `onTestFinished`.
 */
export async function startSidecar(
  components: readonly ComponentYaml[],
  {
    appPort,
    protocol = "grpc",
    onTestFinished = ofThisTest,
  }: {
    appPort?: number;
    protocol?: "grpc" | "http";
    onTestFinished?: typeof ofThisTest;
  } = {},
): Promise<Daemon> {
  const home = await mkdtemp(join(tmpdir(), "cufflink-certification-"));
  const app = ["--app-port", String(appPort), "--app-protocol", protocol];
  const daemon = await startDaemon({
    components,
    flags: appPort === undefined ? [] : app,
    env: { XDG_STATE_HOME: home },
  });
  onTestFinished(async () => {
    await daemon[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  });
  return daemon;
}

/** Waits until the component is in that state. */
export async function untilState(daemon: Daemon, name: string, state = "running"): Promise<void> {
  await until(async () => (await daemon.state(name)) === state, {
    what: () => `${name} to be ${state}:\n${daemon.output().slice(-4000)}`,
    within: 60_000,
  });
}

export type Answer = { readonly ok: boolean; readonly text: string };

/** Invokes an output over Dapr's HTTP API. */
export async function invoke(
  daemon: Daemon,
  name: string,
  operation: string,
  { data, ...metadata }: Record<string, string> = {},
): Promise<Answer> {
  const answer = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/${name}`, {
    method: "POST",
    body: JSON.stringify({ operation, ...(data === undefined ? {} : { data }), metadata }),
    signal: AbortSignal.timeout(60_000),
  });
  return { ok: answer.ok, text: await answer.text() };
}

/** Invokes and expects that it worked; resolves to what was answered. */
export async function expectInvoked(...args: Parameters<typeof invoke>): Promise<string> {
  const { ok, text } = await invoke(...args);
  expect(ok, text).toBe(true);
  return text;
}
