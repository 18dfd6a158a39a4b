import { expect, test } from "vitest";
import { folder } from "../resources/folder.ts";
import { Command } from "./command.ts";

const quiet = [
  ...["--app-id", "shop", "--log-as-json", "--dapr-http-port=0", "--dapr-grpc-port=0"],
  ...["--dapr-listen-addresses=127.0.0.1", "--enable-metrics=false"],
];

/** Every line that standard output has, which must all be JSON objects. */
function linesOf({ stdout }: Command): Record<string, unknown>[] {
  expect(stdout).toMatch(/\n$/);
  const lines = stdout.trimEnd().split("\n");
  return lines.map((line) => {
    const value: unknown = JSON.parse(line);
    expect(value).toBeTypeOf("object");
    return value as Record<string, unknown>;
  });
}

test("the app's lines are wrapped, those that are JSON objects in the app's own words", async () => {
  const object = '{"level":30,"id":12345678901234567890,"text":"a\\u2028b\u2028c"}';
  const text = 'plain "text" \u001b[31mred\u001b[0m\u2028rest';
  const script = `
    const { writeSync } = require("node:fs");
    writeSync(1, ${JSON.stringify(`${object}\n${text}\r\n[1]\n{broken\n`)});
    writeSync(2, "to standard error\\n");
    writeSync(1, "without an end");`;
  const command = new Command(["run", ...quiet, "--", process.execPath, "-e", script]);
  expect(await command.exited).toBe(0);
  const ofApp = linesOf(command).filter((line) => "stream" in line);
  expect(ofApp).toHaveLength(6);
  for (const line of ofApp) {
    expect(line).toMatchObject({ level: "info", app_id: "shop" });
    expect(Date.parse(String(line["time"]))).toBeGreaterThan(0);
  }
  const said = (stream: string) =>
    ofApp.filter((one) => one["stream"] === stream).map(({ msg, record }) => msg ?? record);
  expect(said("stdout")).toEqual([JSON.parse(object), text, "[1]", "{broken", "without an end"]);
  expect(said("stderr")).toEqual(["to standard error"]);
  expect(command.stdout).toContain(`"record":${object}}\n`);
  expect(command.stderr).toBe("");
});

test("a very long line of the app comes in parts", async () => {
  const script = `process.stdout.write("x".repeat(3_000_000) + "\\nend\\n")`;
  const command = new Command(["run", ...quiet, "--", process.execPath, "-e", script]);
  expect(await command.exited).toBe(0);
  const texts = linesOf(command).flatMap(({ stream, msg }) =>
    stream === undefined ? [] : [String(msg)],
  );
  expect(texts.at(-1)).toBe("end");
  expect(texts.slice(0, -1).join("")).toBe("x".repeat(3_000_000));
  expect(Math.max(...texts.map(({ length }) => length))).toBeLessThan(1_200_000);
});

test("an app that cannot be started is told in JSON", async () => {
  const command = new Command(["run", ...quiet, "--", "/no/such/command"]);
  expect(await command.exited).toBe(127);
  expect(linesOf(command)).toContainEqual(
    expect.objectContaining({ level: "error", command: "/no/such/command", app_id: "shop" }),
  );
  expect(command.stderr).toBe("");
});

test("a problem of YAML has its file, line and column as fields", async () => {
  const path = folder({
    "cache.yaml":
      "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: cache}\nspec:\n  type: bindings.redis\n  version: v1\n  metadata:\n  - {name: redisHots, value: a}\n",
  });
  const command = new Command(["serve", ...quiet, "--resources-path", path]);
  await command.printed(/Status: Running/);
  command.signal("SIGTERM");
  expect(await command.exited).toBe(0);
  const problem = linesOf(command).find((one) => String(one["msg"]).includes("redisHots"));
  expect(problem).toMatchObject({
    ...{ app_id: "shop", line: 8, column: 12 },
    file: expect.stringMatching(/cache\.yaml$/),
    msg: expect.stringMatching(/^\S*cache\.yaml:8:12 \w+: [^\n]*$/),
    excerpt: expect.stringMatching(/\n *\| *\^+$/),
  });
});

test("what keeps it from starting is told in JSON, with the place", async () => {
  const path = folder({ "config.yaml": "kind: Configuration\nspec: [\n" });
  const broken = new Command(["serve", ...quiet, "--config", `${path}/config.yaml`]);
  expect(await broken.exited).toBe(1);
  expect(linesOf(broken)).toContainEqual(
    expect.objectContaining({ level: "error", file: expect.stringContaining("config.yaml") }),
  );
  expect(linesOf(broken).some(({ line }) => typeof line === "number")).toBe(true);
  expect(broken.stderr).toBe("");
  const nowhere = new Command(["serve", ...quiet, "--dapr-listen-addresses=203.0.113.1"]);
  expect(await nowhere.exited).toBe(69);
  expect(linesOf(nowhere).at(-1)).toMatchObject({
    level: "error",
    reason: expect.stringContaining("203.0.113.1"),
  });
  expect(nowhere.stderr).toBe("");
});
