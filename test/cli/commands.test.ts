import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { version } from "../../src/version.ts";
import { component, folder } from "../resources/folder.ts";
import { cufflink, root } from "./command.ts";

const cron = component("tick", "bindings.cron", '- {name: schedule, value: "@every 1s"}');

test.each<[string[], number, RegExp]>([
  [["--version"], 0, new RegExp(`^${version.replaceAll(".", "\\.")}\n$`)],
  [["--help"], 0, /serve.*\n.*run.*\n.*invoke/],
  [["run", "--help"], 0, /Examples:\n {2}cufflink run/],
  [["--nosuch"], 2, /cufflink: unknown option '--nosuch'\nSee cufflink serve --help\.\n$/],
  [["dead-letters", "edit"], 2, /missing.*'id'\nSee cufflink dead-letters edit --help\.\n$/],
  [["nosuch"], 2, /unknown command 'nosuch'/],
  [["invoke"], 2, /missing required argument 'component'/],
  [["run"], 2, /missing required argument 'command'/],
  [["serve", "--app-port", "http"], 2, /--app-port "http" is not a port/],
  [["--mode", "swarm"], 2, /none of standalone, kubernetes.*\nSee cufflink serve --help\.\n$/],
  [["invoke", "a", "get", "x", "--data-file", "y"], 2, /data is given twice/],
  [["invoke", "a", "get", "--timeout", "0"], 2, /--timeout "0" is not a duration above 0/],
  [
    ["invoke", "a", "get", "-m", "key"],
    2,
    /--metadata "key" is not name=value\nSee cufflink invoke --help\./,
  ],
  [["invoke", "a", "get", "--address", "127.0.0.1:1"], 69, /no runtime answers at 127\.0\.0\.1:1/],
  [["types", "reds"], 1, /did you mean redis\?/],
  [["types", "twitter"], 1, /no binding type is called "twitter"; see cufflink types\n$/],
  [["componets"], 2, /unknown command 'componets'\n\(Did you mean components\?\)/],
  [["init"], 2, /unknown command 'init'\nSee cufflink --help\.\n$/],
  [["--ap-port", "1"], 2, /unknown option '--ap-port'\n\(Did you mean --app-port\?\)/],
  [["check", "/no/such/folder"], 1, /\/no\/such\/folder error: cannot be read/],
])("%j ends with %i", async (args, code, output) => {
  const result = await cufflink(args);
  expect(result.stdout + result.stderr).toMatch(output);
  expect(result.code).toBe(code);
});

describe("check", () => {
  test("finds nothing in what is right", async () => {
    const path = folder({ "tick.yaml": cron });
    expect(await cufflink(["check", path])).toMatchObject({
      code: 0,
      stdout: "1 component: no problems\n",
    });
  });

  test("tells all that is wrong, with places, without colour", async () => {
    const path = folder({
      "a.yaml": cron.replace("schedule", "shedule"),
      "b.yaml": component("b", "bindings.corn"),
    });
    const { code, stdout } = await cufflink(["check", path]);
    expect(code).toBe(1);
    expect(stdout).toContain(`${path}/a.yaml:8:14 `);
    expect(stdout).toMatch(/"shedule" is not known.*; did you mean "schedule"\?/);
    expect(stdout).toMatch(
      /b\.yaml:5:9 error: type "bindings\.corn" is not known; .* did you mean "bindings\.cron"\?/,
    );
    expect(stdout).not.toContain("\u001b");
  });

  test("compares sizes with the server's limit, which --max-body-size says", async () => {
    const metadata = "- {name: url, value: http://x/}\n- {name: maxResponseBodySize, value: 10Mi}";
    const path = folder({ "a.yaml": component("a", "bindings.http", metadata) });
    const found = await cufflink(["check", path]);
    expect(found).toMatchObject({ code: 1, stdout: expect.stringContaining("at most 4Mi") });
    expect(await cufflink(["check", path, "--max-body-size", "10Mi"])).toMatchObject({ code: 0 });
    expect(await cufflink(["check", path, "--max-body-size", "big"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--max-body-size "big" is not a size above 0, such as "4Mi"'),
    });
  });

  test("reads Resiliency, and tells what is wrong in it", async () => {
    const resiliency =
      "apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: shop}\nspec:\n  policies:\n    retries: {r: {maxRetries: 3}}\n  targets:\n    components: {tock: {inbound: {retry: r}}}\n";
    const path = folder({ "r.yaml": resiliency, "tick.yaml": cron });
    const { code, stdout } = await cufflink(["check", path]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /r\.yaml:8:18 warning: no component is called "tock"; did you mean "tick"\?/,
    );
    expect(stdout).toContain("^^^^");
  });

  test("tells it to tools", async () => {
    const path = folder({ "b.yaml": component("b", "bindings.corn") });
    const { code, stdout } = await cufflink(["check", "--json", path]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      components: 1,
      problems: [
        {
          severity: "error",
          file: `${path}/b.yaml`,
          line: 5,
          column: 9,
          suggestion: "bindings.cron",
        },
      ],
    });
  });
});

describe("types", () => {
  test("lists them", async () => {
    const { code, stdout } = await cufflink(["types"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^TYPE +DIRECTION +STATUS/);
    expect(stdout).toMatch(/^bindings\.redis +output +stable +create,delete,get,increment +\S/m);
  });

  test("describes one", async () => {
    const { stdout } = await cufflink(["types", "bindings.Redis"]);
    expect(stdout).toMatch(/redisPassword.*secret/);
    expect(stdout).toContain("OPERATION increment");
  });

  test("gives editors the JSON Schema of component files", async () => {
    const { stdout } = await cufflink(["types", "--schema"]);
    const published = readFileSync(join(root, "schema/component.schema.json"), "utf8");
    expect(JSON.parse(stdout)).toEqual(JSON.parse(published));
  });

  test("gives an example of one", async () => {
    const { stdout } = await cufflink(["types", "redis", "--example"]);
    const published = readFileSync(join(root, "schema/examples/bindings.redis.yaml"), "utf8");
    expect(stdout.split("\n").slice(1)).toEqual(published.split("\n").slice(1));
    expect(stdout).toContain("$schema=../node_modules/cufflink/schema/component.schema.json");
    const { code, stderr } = await cufflink(["types", "--example"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("needs the name of a type")]);
  });

  test("gives tools its JSON Schema", async () => {
    const { stdout } = await cufflink(["types", "cron", "--schema"]);
    expect(JSON.parse(stdout)).toMatchObject({
      title: "bindings.cron",
      properties: { schedule: {} },
    });
  });
});
