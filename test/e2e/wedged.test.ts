import { execFileSync } from "node:child_process";
import { rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { cufflink, type Command } from "../cli/command.ts";
import { startServing } from "../cli/serving.ts";
import { component, folder } from "../resources/folder.ts";
import { describeWith } from "../servers/describe-with.ts";

const wedge = resolve(import.meta.dirname, "wedged-process.ts");
const files = component("files", "bindings.localstorage", "- {name: rootPath, value: /tmp}");

/** What makes these hang in a process that has it in its environment. */
function wedged(wedges: readonly string[], share = ""): Record<string, string> {
  const pipe = join(folder({}), "pipe");
  execFileSync("mkfifo", [pipe]);
  return {
    NODE_OPTIONS: `--import=${wedge}`,
    CUFFLINK_TEST_WEDGES: wedges.join(","),
    CUFFLINK_TEST_PIPE: pipe,
    CUFFLINK_TEST_SHARE: share,
  };
}

/** A component that is opened there. */
const onShare = (name: string, share: string): string =>
  component(
    name,
    "bindings.localstorage",
    `- {name: rootPath, value: ${share}}`,
    "  initTimeout: 500ms",
  );

test("pipes and devices among resources: the good component works, check ends, and so does the daemon", async () => {
  const path = folder({ "files.yaml": files });
  execFileSync("mkfifo", [join(path, "a-pipe.yaml")]);
  symlinkSync("/dev/zero", join(path, "b-zero.yaml"));
  const { command, http } = await startServing({}, ["--resources-path", path]);
  expect(command.stdout).toContain("a-pipe.yaml error: is a named pipe, no regular file");
  expect(command.stdout).toContain("b-zero.yaml error: is a device, no regular file");
  expect(command.stdout).toMatch(/\[files\] component running/);
  expect((await fetch(`http://127.0.0.1:${http}/v1.0/healthz`)).status).toBe(204);

  const checked = await cufflink(["check", path]);
  expect(checked.code).toBe(1);
  expect(checked.stdout).toContain("a-pipe.yaml error: is a named pipe, no regular file");
  expect(checked.stdout).toContain("1 component: 2 errors");

  // One that comes later, in place of a good file: what that defined goes on.
  rmSync(join(path, "files.yaml"));
  execFileSync("mkfifo", [join(path, "files.yaml")]);
  await command.printed(/files\.yaml error: is a named pipe/);
  expect(await fetch(`http://127.0.0.1:${http}/v1.0/metadata`).then((one) => one.text())).toContain(
    '"files"',
  );
  command.signal("SIGTERM");
  expect(await command.exited).toBe(0);
});

test("a file system that does not answer: what is elsewhere works, check ends, and so does the daemon", async () => {
  const share = folder({ "gone.yaml": "" });
  const hanging = onShare("hanging", share);
  const env = wedged(["file system"], share);
  const flags = ["--resources-path", share, "--dapr-graceful-shutdown-seconds", "0"];
  const [{ command, http }, checked] = await Promise.all([
    startServing({ "a.yaml": files, "b.yaml": hanging }, flags, env),
    cufflink(["check", share], { env }),
  ]);
  expect(command.stdout).toContain(
    `${share} error: cannot be read: its file system does not answer`,
  );
  expect(command.stdout).toMatch(/\[files\] component running/);
  expect((await fetch(`http://127.0.0.1:${http}/v1.0/healthz`)).status).toBe(204);
  expect(checked.code).toBe(1);
  expect(checked.stdout).toContain("its file system does not answer within 5 s");
  // Two of libuv's threads never come back, and Node's own exit would wait for them.
  command.signal("SIGTERM");
  expect(await command.exited).toBeOneOf([0, 1]);
});

describeWith("redis", (server) => {
  /** A daemon whose driver does not close, whose store does not answer, and whose threads for files are taken. */
  async function startHanging(flags: readonly string[]): Promise<Command> {
    const redis = `- {name: redisHost, value: "${server.host}:${server.port}"}`;
    const share = folder({ "files/a": "" });
    const paths = ["a", "b", "c", "d", "e"].map((name) => onShare(name, share));
    // Where there is a lock, the store's thread starts with the process.
    const state = folder({ "cufflink/shop/lock": "" });
    const { command } = await startServing(
      {
        "store.yaml": component("store", "bindings.redis", redis),
        "paths.yaml": paths.join("---\n"),
      },
      ["--state-dir", state, ...flags],
      wedged(["driver", "store", "file system"], share),
    );
    expect(command.stdout).toMatch(/\[store\] component running/);
    return command;
  }

  test("whatever hangs, a second signal ends the process at once", async () => {
    const command = await startHanging(["--dapr-graceful-shutdown-seconds", "600"]);
    command.signal("SIGTERM");
    await command.printed(/shutting down: no more/);
    // Two within a quarter of a second are the terminal's and npm's, and count as one.
    await new Promise((later) => setTimeout(later, 300));
    expect(command.stdout).not.toMatch(/ shutdown complete$/m);
    const started = performance.now();
    command.signal("SIGINT");
    expect(await command.exited).toBe(1);
    expect(performance.now() - started).toBeLessThan(3000);
    expect(command.stdout).toContain("exiting now");
  });

  test("whatever hangs, it ends by itself when the time for that is over", async () => {
    const command = await startHanging(["--dapr-graceful-shutdown-seconds", "0"]);
    command.signal("SIGTERM");
    expect(await command.exited).toBe(1);
    expect(command.stdout).toContain("the shutdown timed out");
  });
});
