// The scenarios of Dapr's certification of the cron binding, under their names, with a sidecar and an app.
import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { isLong } from "../long.ts";
import type { ComponentYaml, Daemon } from "../e2e/daemon.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startApp } from "./app.ts";
import { startSidecar, untilState } from "./sidecar.ts";

const limit = { timeout: 240_000 };

function cron(
  name: string,
  schedule: string,
  metadata: Record<string, string> = {},
): ComponentYaml {
  return { name, type: "bindings.cron", metadata: { schedule, ...metadata } };
}

/** Five ways to write a schedule, and the seconds from tick to tick. */
const formats = [
  { name: "every", schedule: "@every 1s", period: 1 },
  { name: "seconds", schedule: "* * * * * *", period: 1 },
  { name: "step", schedule: "*/2 * * * * *", period: 2 },
  { name: "range", schedule: "0-59 * * ? * *", period: 1 },
  { name: "zone", schedule: "CRON_TZ=Europe/Berlin 0/2 * * * * *", period: 2 },
];
/** With `npm run test:certification` those too that need minutes. */
const minutes = isLong
  ? [
      { name: "minute", schedule: "* * * * *", period: 60 },
      { name: "minutes", schedule: "@every 1m", period: 60 },
    ]
  : [];

test("schedules of five formats tick when they say", limit, async () => {
  const all = [...formats, ...minutes];
  const app = await startApp(all.map(({ name }) => name));
  const daemon = await startSidecar(
    all.map(({ name, schedule }) => cron(name, schedule)),
    { appPort: app.port },
  );
  const times = (binding: string): number[] =>
    app.handled
      .filter((event) => event.binding === binding)
      .map(({ metadata }) => secondsOf(metadata["readTimeUTC"]));
  await until(() => all.every(({ name }) => times(name).length >= 3), {
    what: () => `three ticks of each:\n${daemon.output()}`,
    within: 200_000,
  });
  for (const { name, schedule, period } of all) {
    const [first = 0, second = 0, third = 0] = times(name);
    for (const gap of [second - first, third - second]) {
      // A busy machine may leave a tick out; none comes early. An interval is told in whole seconds.
      expect(gap, schedule).toBeGreaterThanOrEqual(schedule.startsWith("@") ? period - 1 : period);
      if (!schedule.startsWith("@")) expect(gap % period, schedule).toBe(0);
    }
  }
});

/** Seconds since 1970 of `2026-11-23 10:00:01 +0000 UTC`. */
function secondsOf(text = ""): number {
  const [, day, time] = /^(\S+) (\d+:\d+:\d+)\S* \+0000 UTC$/.exec(text) ?? [];
  return Date.parse(`${day}T${time}Z`) / 1000;
}

test("two crons tick at one route", limit, async () => {
  const port = await reservePort();
  const ticks: { path: string; at: string }[] = [];
  const server = createServer((request, response) => {
    if (request.method === "POST") {
      ticks.push({ path: request.url ?? "", at: String(request.headers["readtimeutc"]) });
    }
    request.resume();
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const daemon = await startSidecar(
    [
      cron("first", "* * * * * *", { route: "/ticks" }),
      cron("second", "* * * * * *", { route: "/ticks" }),
    ],
    { appPort: port, protocol: "http" },
  );
  const pairs = (): number =>
    Object.values(Object.groupBy(ticks, ({ at }) => at)).filter((of) => of?.length === 2).length;
  await until(() => pairs() >= 2, {
    what: () => `both to tick in the same second:\n${JSON.stringify(ticks)}\n${daemon.output()}`,
    within: 30_000,
  });
  expect(new Set(ticks.map(({ path }) => path))).toEqual(new Set(["/ticks"]));
});

test("the app restarts and gets its ticks again", limit, async () => {
  const app = await startApp(["tick"]);
  const daemon = await startSidecar([cron("tick", "@every 1s")], { appPort: app.port });
  const told = { what: () => `a tick:\n${daemon.output()}`, within: 30_000 };
  await until(() => app.handled.length >= 2, told);
  await app.stop();
  await untilState(daemon, "tick", "waiting for app");
  const before = app.handled.length;
  await app.start();
  await until(() => app.handled.length >= before + 2, told);
  expect(daemon.process.exitCode).toBeNull();
});

test("the sidecar restarts and the app gets its ticks again", limit, async () => {
  const app = await startApp(["tick"]);
  const components = [cron("tick", "@every 1s")];
  const first = await startSidecar(components, { appPort: app.port });
  const told = (daemon: Daemon) => ({ what: () => `a tick:\n${daemon.output()}`, within: 30_000 });
  await until(() => app.handled.length >= 2, told(first));
  expect(await first.end()).toBe(0);
  const before = app.handled.length;
  const second = await startSidecar(components, { appPort: app.port });
  await until(() => app.handled.length >= before + 2, told(second));
});
