import { expect, test } from "vitest";
import { ask } from "../server/console/console.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { startDaemon } from "./daemon.ts";

const tokens = {
  CUFFLINK_CONSOLE_TOKEN: "the-token-of-the-console",
  CUFFLINK_CONSOLE_READ_ONLY_TOKEN: "the-token-to-look-only",
};

test("every port refuses a page of another origin, and on loopback another host's name", async () => {
  const [publicPort, hookPort, consolePort] = [
    await reservePort(),
    await reservePort(),
    await reservePort(),
  ];
  const hook = { address: `127.0.0.1:${hookPort}`, path: "/hook" };
  await using daemon = await startDaemon({
    components: [{ name: "hook", type: "bindings.webhook", metadata: hook }],
    flags: [
      ...["--dapr-public-port", String(publicPort), "--console-port", String(consolePort)],
      ...["--log-as-json"],
    ],
    env: tokens,
  });
  await until(async () => (await ask(hookPort, "/hook").catch(() => undefined)) !== undefined, {
    what: "the webhook listens",
    within: 20_000,
  });
  const ports = [
    ...[daemon.httpPort, daemon.grpcPort].map((port) => [port, "/v1.0/healthz"] as const),
    [publicPort, "/v1.0/healthz"],
    [daemon.metricsPort, "/metrics"],
    [hookPort, "/hook"],
    [consolePort, "/"],
  ] as const;
  for (const [port, path] of ports) {
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (await ask(port, path, { headers })).status;
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { host: "evil.example", origin: "http://evil.example", "sec-fetch-site": "same-origin" },
    ])
      expect([path, headers, await statusOf(headers)]).toEqual([path, headers, 403]);
    expect(await statusOf({})).not.toBe(403);
    const own = { host: `localhost:${port}`, origin: `http://localhost:${port}` };
    expect(await statusOf(own)).not.toBe(403);
  }
  // What was given is said nowhere.
  for (const token of Object.values(tokens)) expect(daemon.output()).not.toContain(token);
  const session = await ask(consolePort, "/session", { token: tokens.CUFFLINK_CONSOLE_TOKEN });
  expect(JSON.parse(session.text)).toMatchObject({ kind: "full", daemons: [{ name: "e2e" }] });
  await Promise.all([publicPort, hookPort, consolePort].map(releasePort));
});
