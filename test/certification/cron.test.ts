// The scenarios of Dapr's certification of the cron binding, under their names, with a sidecar and an app.
import { createServer } from "node:http";
import { test } from "vitest";
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

test.concurrent(
  "schedules of five formats tick when they say",
  limit,
  async ({ expect, onTestFinished }) => {
    const all = [...formats, ...minutes];
    const app = await startApp(
      all.map(({ name }) => name),
      { onTestFinished },
    );
    const daemon = await startSidecar(
      all.map(({ name, schedule }) => cron(name, schedule)),
      { appPort: app.port, onTestFinished },
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
        expect(gap, schedule).toBeGreaterThanOrEqual(
          schedule.startsWith("@") ? period - 1 : period,
        );
        if (!schedule.startsWith("@")) expect(gap % period, schedule).toBe(0);
      }
    }
  },
);

/** Seconds since 1970 of `2026-11-23 10:00:01 +0000 UTC`. */
function secondsOf(text = ""): number {
  const [, day, time] = /^(\S+) (\d+:\d+:\d+)\S* \+0000 UTC$/.exec(text) ?? [];
  return Date.parse(`${day}T${time}Z`) / 1000;
}

test.concurrent("two crons tick at one route", limit, async ({ expect, onTestFinished }) => {
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
    { appPort: port, protocol: "http", onTestFinished },
  );
  const pairs = (): number =>
    Object.values(Object.groupBy(ticks, ({ at }) => at)).filter((of) => of?.length === 2).length;
  await until(() => pairs() >= 2, {
    what: () => `both to tick in the same second:\n${JSON.stringify(ticks)}\n${daemon.output()}`,
    within: 30_000,
  });
  expect(new Set(ticks.map(({ path }) => path))).toEqual(new Set(["/ticks"]));
});

test.concurrent(
  "the app restarts and gets its ticks again",
  limit,
  async ({ expect, onTestFinished }) => {
    const app = await startApp(["tick"], { onTestFinished });
    const daemon = await startSidecar([cron("tick", "@every 1s")], {
      appPort: app.port,
      onTestFinished,
    });
    const told = { what: () => `a tick:\n${daemon.output()}`, within: 30_000 };
    await until(() => app.handled.length >= 2, told);
    await app.stop();
    await untilState(daemon, "tick", "waiting for app");
    const before = app.handled.length;
    await app.start();
    await until(() => app.handled.length >= before + 2, told);
    expect(daemon.process.exitCode).toBeNull();
  },
);

test.concurrent(
  "the sidecar restarts and the app gets its ticks again",
  limit,
  async ({ expect, onTestFinished }) => {
    const app = await startApp(["tick"], { onTestFinished });
    const components = [cron("tick", "@every 1s")];
    const first = await startSidecar(components, { appPort: app.port, onTestFinished });
    const told = (daemon: Daemon) => ({
      what: () => `a tick:\n${daemon.output()}`,
      within: 30_000,
    });
    await until(() => app.handled.length >= 2, told(first));
    expect(await first.end()).toBe(0);
    const before = app.handled.length;
    const second = await startSidecar(components, { appPort: app.port, onTestFinished });
    await until(() => app.handled.length >= before + 2, told(second));
  },
);
