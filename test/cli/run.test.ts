import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isAlive } from "../servers/ports.ts";
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

test("a command that is not there is said, with 127", async () => {
  const command = new Command(["run", ...quiet, "--", "/no/such/command"]);
  expect(await command.exited).toBe(127);
  expect(command.stderr).toContain("/no/such/command cannot be started");
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
    command.stdout.indexOf(" ended"),
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
  await command.signalUntil("SIGTERM", /ending at once/);
  expect(await command.exited).toBe(0);
});

/** A zombie is none: where the first process of a container collects nobody, it stays one. */
function isRunning(pid: number): boolean {
  if (!isAlive(pid)) return false;
  if (process.platform !== "linux") return true;
  return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}
