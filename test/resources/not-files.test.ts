import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readConfiguration } from "../../src/resources/configuration.ts";
import { brief, component, folder, load } from "./folder.ts";

const good = component("good", "bindings.redis", "- {name: redisHost, value: h}");

/** Whatever may lie in a folder beside files, under a name in front of the good one's. */
async function addOthers(path: string): Promise<void> {
  execFileSync("mkfifo", [join(path, "a-pipe.yaml")]);
  symlinkSync("/dev/zero", join(path, "b-zero.yaml"));
  mkdirSync(join(path, "c-folder.yaml"));
  const server = createServer().listen(join(path, "d-socket.yml"));
  onTestFinished(() => void server.close());
  await new Promise((listening) => server.once("listening", listening));
  symlinkSync("e-circle.yaml", join(path, "e-circle.yaml"));
  writeFileSync(join(path, "f-huge.yaml"), "");
  truncateSync(join(path, "f-huge.yaml"), 2 ** 40);
}

test("what is no file in a resource folder is a finding, and costs no other file", async () => {
  const path = folder({ "good.yaml": good });
  await addOthers(path);
  const { components, problems } = await load(path);
  expect(components.map(({ name }) => name)).toEqual(["good"]);
  expect(brief(problems, path).sort()).toEqual([
    "a-pipe.yaml:0:0 error: is a named pipe, no regular file",
    "b-zero.yaml:0:0 error: is a device, no regular file",
    "c-folder.yaml:0:0 warning: is a folder, and is not looked into",
    "d-socket.yml:0:0 error: is a socket, no regular file",
    "e-circle.yaml:0:0 error: cannot be read: its links lead in a circle",
    "f-huge.yaml:0:0 error: is larger than 1 MiB",
  ]);
});

test("the same where it is named itself: as a resource, as a configuration, as secrets", async () => {
  const path = folder({});
  const pipe = join(path, "pipe");
  execFileSync("mkfifo", [pipe]);
  expect((await load(pipe)).problems).toMatchObject([
    { severity: "error", file: pipe, message: "is a named pipe, no regular file" },
  ]);
  const configured = await readConfiguration([pipe, "/dev/zero"]);
  expect(configured.broken).toBe(true);
  expect(configured.problems.map(({ message }) => message)).toEqual([
    "is a named pipe, no regular file",
    "is a device, no regular file",
  ]);
});

const withSecret = (secretsFile: string, name: string): string =>
  [
    component("vault", "secretstores.local.file", `- {name: secretsFile, value: ${secretsFile}}`),
    component(
      "store",
      "bindings.redis",
      `- {name: redisHost, value: h}\n- {name: redisPassword, secretKeyRef: {name: ${name}, key: ${name}}}`,
      "auth: {secretStore: vault}",
    ),
    good,
  ].join("---\n");

test.each([
  ["a pipe in place of the file", "pipe", "is a named pipe, no regular file"],
  ["a device in place of the file", "zero", "is a device, no regular file"],
  ["a pipe among the mounted ones", ".", "pipe is a named pipe, no regular file"],
  ["a mounted one that is too large", ".", "is larger than 4 MiB"],
])("secrets: %s is a finding", async (what, file, message) => {
  const secrets = folder({});
  execFileSync("mkfifo", [join(secrets, "pipe")]);
  symlinkSync("/dev/zero", join(secrets, "zero"));
  writeFileSync(join(secrets, "large"), "");
  truncateSync(join(secrets, "large"), 2 ** 40);
  const name = what.includes("large") ? "large" : "pipe";
  const path = folder({ "a.yaml": withSecret(join(secrets, file), name) });
  const { components, problems } = await load(path);
  expect(components.map((one) => one.name)).toEqual(["store", "good"]);
  expect(problems.map((one) => one.message)).toEqual([expect.stringContaining(message)]);
});

test("a mounted secret of which the keys together are too large is none", async () => {
  const secrets = folder({
    "many/a": "x".repeat(3 * 1024 ** 2),
    "many/b": "x".repeat(2 * 1024 ** 2),
  });
  const path = folder({ "a.yaml": withSecret(secrets, "many") });
  const { problems } = await load(path);
  expect(problems.map((one) => one.message)).toEqual([
    expect.stringContaining("together larger than 4 MiB"),
  ]);
});

test("files that are together too large: those before are read", async () => {
  // Each is nearly as large as one may be.
  const padding = `#${"x".repeat(1024 ** 2 - 1000)}\n`;
  const names = Array.from({ length: 70 }, (_, index) => `c${String(index).padStart(2, "0")}`);
  const files = names.map((name) => [
    `${name}.yaml`,
    `${component(name, "bindings.timer")}${padding}`,
  ]);
  const path = folder(Object.fromEntries(files) as Record<string, string>);
  const { components, problems } = await load(path);
  expect(components).toHaveLength(64);
  expect(problems).toHaveLength(6);
  expect(brief(problems, path)[0]).toBe(
    "c64.yaml:0:0 error: is left out: all resource files together are larger than 64 MiB",
  );
});
