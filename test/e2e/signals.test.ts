import { constants } from "node:os";
import { expect, test } from "vitest";
import { Command, root } from "../cli/command.ts";
import { component, folder } from "../resources/folder.ts";

const resources = {
  "tick.yaml": component("tick", "bindings.cron", "- {name: schedule, value: '@every 1h'}"),
};
const flags = [
  ...["--dapr-http-port", "0", "--dapr-grpc-port", "0", "--enable-metrics=false"],
  ...["--dapr-listen-addresses", "127.0.0.1"],
];

async function serving(launcher?: readonly string[]): Promise<Command> {
  const path = folder(resources);
  const command = new Command(["serve", ...flags, "--resources-path", path], {
    ...(launcher && { launcher }),
  });
  await command.printed(/Status: Running\./);
  return command;
}

const bin = [`${root}/bin/cufflink`];
const known = (signals: readonly NodeJS.Signals[]): NodeJS.Signals[] =>
  signals.filter((signal) => signal in constants.signals);

const ending = known([
  ...(["SIGINT", "SIGTERM", "SIGQUIT", "SIGALRM", "SIGVTALRM"] as const),
  ...(["SIGXCPU", "SIGIO", "SIGPWR", "SIGSTKFLT"] as const),
]);

test.each(ending)("%s ends it in order", async (signal) => {
  const command = await serving(bin);
  command.signal(signal);
  expect(await command.exited).toBe(0);
  expect(command.stdout).toMatch(new RegExp(`shutting down: no more events.*why=${signal}`));
  expect(command.stdout).toMatch(/ shutdown complete$/m);
});

test("signals without a meaning change nothing, and no inspector opens", async () => {
  // By the launcher, and as a package's bin is started: without a flag of Node's own.
  for (const launcher of [bin, undefined]) {
    const command = await serving(launcher);
    for (const signal of known(["SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGXFSZ", "SIGWINCH", "SIGCONT"]))
      command.signal(signal);
    await command.printed(/this signal has no meaning here.*SIGUSR2/);
    command.signal("SIGHUP");
    await command.printed(/SIGHUP: reading the resources again/);
    await command.printed(/resources were read/);
    command.signal("SIGTERM");
    expect(await command.exited).toBe(0);
    expect(command.stderr).toBe("");
  }
});

test("while it starts it ends at once", async () => {
  const pipe = `data:text/javascript,${encodeURIComponent(`
    const { promises } = process.getBuiltinModule("node:fs");
    promises.stat = () => { console.log("looking"); return new Promise(() => setInterval(() => {}, 1000)); };
    process.getBuiltinModule("node:module").syncBuiltinESMExports();
  `)}`;
  const command = new Command(["serve", ...flags, "--config", "/any"], {
    launcher: bin,
    env: { NODE_OPTIONS: `--import=${pipe}` },
  });
  await command.printed(/looking/);
  command.signal("SIGTERM");
  expect(await command.exited).toBe(128 + constants.signals.SIGTERM);
});

test("other commands open no inspector either", async () => {
  const hold = `data:text/javascript,${encodeURIComponent(`
    const { promises } = process.getBuiltinModule("node:fs");
    promises.stat = () => { console.log("looking"); return new Promise((resolve) => setTimeout(resolve, 1500)); };
    process.getBuiltinModule("node:module").syncBuiltinESMExports();
  `)}`;
  // What the machine's own authorities are must not be looked at so.
  const env = { NODE_OPTIONS: `--import=${hold}`, SSL_CERT_FILE: "", SSL_CERT_DIR: "" };
  const command = new Command(["check", "/any"], { env });
  await command.printed(/looking/);
  command.signal("SIGUSR1");
  expect(await command.exited).toBe(1);
  expect(command.stderr).toBe("");
});
