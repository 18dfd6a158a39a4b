import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isAlive, reservePort } from "../servers/ports.ts";
import { Command } from "./command.ts";

const quiet = [
  "--dapr-http-port=0",
  "--dapr-grpc-port=0",
  "--dapr-listen-addresses=127.0.0.1",
  "--enable-metrics=false",
];

function run(script: string, args: readonly string[] = []): Command {
  return new Command([
    "run",
    "--app-id",
    "shop",
    ...quiet,
    ...args,
    "--",
    process.execPath,
    "-e",
    script,
  ]);
}

test("the app gets its ports, and its output a prefix", async () => {
  const command = run(
    `const { APP_ID, APP_PORT, APP_PROTOCOL, DAPR_HTTP_PORT, DAPR_GRPC_PORT } = process.env;
     console.log(JSON.stringify([APP_ID, APP_PORT, APP_PROTOCOL]));
     const health = (port) => fetch("http://127.0.0.1:" + port + "/v1.0/healthz/outbound").then((one) => one.status);
     Promise.all([DAPR_HTTP_PORT, DAPR_GRPC_PORT].map(health)).then((all) => {
       console.log("health", all.join());
       console.error("to standard error");
     });`,
    ["--app-port", "7099", "--app-protocol", "grpc"],
  );
  expect(await command.exited).toBe(0);
  expect(command.stdout).toContain('app | ["shop","7099","grpc"]\n');
  expect(command.stdout).toMatch(/^app \| health (204|500),(204|500)$/m);
  expect(command.stderr).toContain("app | to standard error\n");
});

test("the runtime ends with the app, with its exit code", async () => {
  expect(await run("process.exit(3)").exited).toBe(3);
});

test("an event that ends its app each time is a dead letter after its attempts, though the runtime ends with it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-run-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const inbox = join(folder, "inbox");
  mkdirSync(inbox);
  writeFileSync(join(inbox, "poison"), "poison");
  writeFileSync(
    join(folder, "inbox.yaml"),
    `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: inbox }
spec:
  type: bindings.file
  version: v1
  metadata:
    - { name: folder, value: ${JSON.stringify(inbox)} }
    - { name: quietTime, value: 1ms }
    - { name: direction, value: input }
    - { name: backOffMaxRetries, value: "2" }
    - { name: backOffDuration, value: 10ms }
`,
  );
  // Ends at an event, and by itself once the folder has none any more.
  const script = `
    const { readdirSync } = require("node:fs");
    const server = require("node:http").createServer((request, response) => {
      if (request.method === "POST") process.exit(3);
      response.end();
    });
    server.listen(Number(process.env.APP_PORT), "127.0.0.1");
    setInterval(() => readdirSync(${JSON.stringify(inbox)}).includes("poison") || process.exit(0), 20);`;
  const codes: unknown[] = [];
  for (let starts = 0; starts < 4; starts++) {
    const port = String(await reservePort());
    const settings = ["--app-port", port, "--state-dir", join(folder, "state")];
    codes.push(await run(script, [...settings, "--resources-path", folder]).exited);
    if (codes.at(-1) === 0) break;
  }
  expect(codes.slice(0, 2)).toEqual([3, 3]);
  expect(codes.at(-1)).toBe(0);
  expect(codes.length).toBeLessThanOrEqual(4);
  expect(readdirSync(join(inbox, "processed"))).toEqual(["poison"]);
}, 60_000);

test("a command that is not there is said, with 127", async () => {
  const command = new Command(["run", ...quiet, "--", "/no/such/command"]);
  expect(await command.exited).toBe(127);
  expect(command.stdout).toMatch(
    /^\d{4}-\d\d-\d\d .* ERROR the app cannot be started command=\/no\/such\/command reason=.*there is no such program/m,
  );
});

test("a signal drains first, and ends the app and what it started afterwards", async () => {
  const command = run(
    `const { spawn } = require("node:child_process");
     const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
     process.on("SIGINT", () => console.log("got SIGINT"));
     process.on("SIGTERM", () => { console.log("told to end"); process.exit(); });
     console.log("child", child.pid);`,
  );
  const child = Number((await command.printed(/app \| child (\d+)/))[1]);
  command.signal("SIGINT");
  expect(await command.exited).toBe(0);
  const [drained, told] = [
    command.stdout.indexOf("shutdown complete"),
    command.stdout.indexOf("app | told to end"),
  ];
  expect(drained).toBeGreaterThan(0);
  expect(told).toBeGreaterThan(drained);
  expect(command.stdout).not.toContain("got SIGINT");
  await expect.poll(() => isRunning(child)).toBe(false);
});

test("a second signal ends an app that will not end", async () => {
  const command = run(
    `process.on("SIGTERM", () => console.log("no")); setInterval(() => {}, 1000); console.log("up");`,
  );
  await command.printed(/app \| up/);
  command.signal("SIGTERM");
  await command.printed(/app \| no/);
  await command.signalUntil("SIGTERM", /exiting now/);
  expect(await command.exited).toBe(0);
});

/** A zombie is none: where the first process of a container collects nobody, it stays one. */
function isRunning(pid: number): boolean {
  if (!isAlive(pid)) return false;
  if (process.platform !== "linux") return true;
  return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}
