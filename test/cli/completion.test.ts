import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { serve, type Served } from "../server/serve.ts";
import { cufflink, root } from "./command.ts";

/** A PATH with the command line in it. */
const bin = mkdtempSync(join(tmpdir(), "cufflink-completion-"));
writeFileSync(
  join(bin, "cufflink"),
  `#!/bin/sh\nexec ${process.execPath} ${join(root, "src/main.ts")} "$@"\n`,
  { mode: 0o755 },
);
const scripts: Record<string, string> = {};
let runtime: Served;

beforeAll(async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout } = await cufflink(["completion", shell]);
    scripts[shell] = join(bin, `script.${shell}`);
    writeFileSync(scripts[shell], stdout);
  }
  runtime = await serve();
  return async () => {
    await runtime[Symbol.asyncDispose]();
    rmSync(bin, { recursive: true });
  };
});

const run = async (shell: string, args: readonly string[], port: string): Promise<string[]> => {
  const path = [bin, process.env["PATH"]].join(delimiter);
  const env = { ...process.env, PATH: path, DAPR_GRPC_PORT: port, DAPR_GRPC_ENDPOINT: "" };
  const { stdout, stderr } = await promisify(execFile)(shell, args, { env });
  expect(stderr).toBe("");
  return stdout.split(/\s+/).filter((word) => word !== "");
};
/** What bash offers for the last word of a line. It takes words apart at = and : as Readline does. */
const bash = (line: string, port = String(runtime.port)): Promise<string[]> => {
  const words = line.split(/ +|(?<=[=:])|(?=[=:])/).map((word) => `'${word}'`);
  const set = `COMP_LINE='${line}'; COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}`;
  const script = `source ${scripts["bash"]}; ${set}; _cufflink; echo "\${COMPREPLY[@]}"`;
  return run("bash", ["-c", script], port);
};
const has = (shell: string): boolean => spawnSync(shell, ["--version"]).status === 0;

describe("bash", () => {
  test.each<[string, string[]]>([
    ["cufflink com", ["components", "component", "completion"]],
    ["cufflink serve --app-p", ["--app-port", "--app-protocol"]],
    ["cufflink serve --app-protocol h", ["http", "https", "h2c"]],
    ["cufflink serve --app-protocol=grpc", ["grpc", "grpcs"]],
    ["cufflink run --log-level ", ["debug", "info", "warn", "error", "fatal"]],
    ["cufflink serve --log-as-json=", ["true", "false"]],
    ["cufflink completion z", ["zsh"]],
    ["cufflink types mq", ["mqtt3", "mqtt", "mqtt5"]],
    ["cufflink components p", ["pause", "policy", "probe"]],
    ["cufflink components --js", ["--json"]],
    ["cufflink components pause ", ["probe"]],
    ["cufflink emit pr", ["probe"]],
    ["cufflink emit --timeout 5s pr", ["probe"]],
    ["cufflink emit --timeout=5s pr", ["probe"]],
    ["cufflink emit probe p", []],
    ["cufflink dead-letters redrive --r", ["--reason", "--rate"]],
    ["cufflink dead-letters redrive --component ", ["probe"]],
    ["cufflink dead-letters --component=p", ["probe"]],
    ["cufflink dead-letters redrive --reason p", []],
    ["cufflink why some-event --component ", ["probe"]],
    ["cufflink components pause --address 127.0.0.1:1 p", []],
  ])("offers for %j", async (line, offered) => {
    expect((await bash(line)).toSorted()).toEqual(offered.toSorted());
  });

  test("asks the runtime that --address names, and is quick and silent without one", async () => {
    const address = `--address 127.0.0.1:${runtime.port}`;
    expect(await bash(`cufflink emit ${address} `, "1")).toEqual(["probe"]);
    const began = performance.now();
    expect(await bash("cufflink emit ", "1")).toEqual([]);
    expect(performance.now() - began).toBeLessThan(5000);
  });
});

test.runIf(has("fish"))("fish offers them too", async () => {
  const fish = (line: string) =>
    run(
      "fish",
      ["--no-config", "-c", `source ${scripts["fish"]}; complete -C '${line}' | cut -f1`],
      String(runtime.port),
    );
  expect(await fish("cufflink serve --app-protocol gr")).toEqual(["grpc", "grpcs"]);
  expect(await fish("cufflink types mq")).toEqual(["mqtt", "mqtt3", "mqtt5"]);
  expect(await fish("cufflink emit ")).toEqual(["probe"]);
  expect(await fish("cufflink components pause ")).toEqual(["probe"]);
  expect(await fish("cufflink dead-letters redrive --component ")).toEqual(["probe"]);
});

test.runIf(has("zsh"))("zsh can read its script", () => {
  expect(spawnSync("zsh", ["-n", scripts["zsh"]!], { encoding: "utf8" }).stderr).toBe("");
});

test.each(["zsh", "fish"])("the script for %s knows commands, flags and values", async (shell) => {
  const { code, stdout } = await cufflink(["completion", shell]);
  expect(code).toBe(0);
  for (const part of ["components", "dapr-grpc-port", "remove-header", "grpcs", "twilio.sms"])
    expect(stdout).toContain(part);
  expect(stdout).not.toContain("placement-host-address");
  expect(stdout.match(/complete-components/g)).toHaveLength(1);
});
