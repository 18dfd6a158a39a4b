import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import type { Field } from "../../src/metadata/fields.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";
import { exampleFile } from "../../src/schema/example.ts";
import { valueSchema } from "../../src/schema/values.ts";
import { root } from "../cli/command.ts";
import { cufflinkHere } from "../cli/in-process.ts";
import { LanguageServer, schemaPath } from "./language-server.ts";

const found = (pattern: string): string[] => globSync(pattern, { cwd: root }).toSorted();
const right = [
  ...found("schema/examples/*.yaml"),
  ...found("test/cli/catalogue/*.yaml"),
  ...found("examples/*/components/*.yaml"),
];
const mistaken = found("test/cli/catalogue/mistakes/*.yaml");
const read = (path: string): string =>
  readFileSync(join(root, path), "utf8").replace(/^# yaml-language-server:.*\n/, "#\n");

test("editors find nothing in files that check accepts, and of its findings those that they can", async () => {
  const schemas = { [schemaPath()]: "**/*.yaml" };
  await using editor = await LanguageServer.start({ schemas });
  const diagnose = async (path: string): Promise<{ path: string; lines: number[] }> => {
    const diagnostics = await editor.diagnose(join("/files", path), read(path));
    return { path, lines: [...new Set(diagnostics.map(({ line }) => line))] };
  };
  const inRight = await Promise.all(right.map(diagnose));
  expect(inRight.filter(({ lines }) => lines.length > 0)).toEqual([]);
  const inMistaken = await Promise.all(mistaken.map(diagnose));
  let shown = 0;
  for (const { path, lines } of inMistaken) {
    const told = read(path)
      .split("\n")
      .flatMap((line, index) => (line.includes("# finding: ") ? [index + 1] : []));
    // What is required and not there check shows at `metadata:`, editors at the first of its items.
    const close = lines.filter((line) => told.some((one) => one === line || one + 1 === line));
    expect({ path, lines: close }).toEqual({ path, lines });
    shown += lines.length;
  }
  expect(shown).toBeGreaterThan(mistaken.length);
});

describe("check accepts the example of", () => {
  test.each(found("schema/examples/*.yaml"))("%s", async (path) => {
    const args = ["check", "--json", "--allow-exec", "--no-secrets", join(root, path)];
    const { stdout } = await cufflinkHere(args);
    expect(JSON.parse(stdout)).toMatchObject({ problems: [] });
  });
});

test("an example has the required fields, then the others as comments", () => {
  const redis = bindings.find(({ name }) => name === "redis") as AnyBinding;
  const text = exampleFile("bindings.redis", redis, "schema.json");
  expect(text).toMatch(/^# yaml-language-server: \$schema=schema\.json\n# /);
  expect(text).toMatch(/\n {2}metadata:\n(?: {4}# [^\n]+\n)+ {4}- name: redisHost\n {6}value: /);
  expect(text).toMatch(/\n {4}# Optional:\n/);
  expect(text).toMatch(/\n {4}# - name: redisPassword\n {4}# {3}value: /);
});

const samples = [
  ...["", "0", "1", "-1", "+5", "010", "0x1f", "0b11", "0o7", "1_000", "1e3", "1.5", ".5", "5."],
  ...["5s", "1h30m", "-1.5h", "300ms", "5 s", "s", "4Mi", "64k", "1.5Gi", "4mi", "K", "1E2", "2E"],
  ...["true", "TRUE", "yes", "off", "n", "perhaps", " true ", "text", "{appID}", "None", "ßS"],
];

test("no pattern refuses a text that the field takes, and none takes what no field does", () => {
  const fields = [...bindings.map(({ metadata }) => metadata as object), componentFields].flatMap(
    (metadata) => Object.entries(metadata) as [string, Field][],
  );
  expect(fields.length).toBeGreaterThan(900);
  for (const [name, field] of fields) {
    const { pattern, enum: allowed } = firstPattern(field);
    if (pattern === undefined) continue;
    const texts = [...samples, field.default ?? "", field.example ?? "", ...(field.allowed ?? [])];
    for (const text of texts) {
      const parsed = field.parse(text);
      const isRight = "value" in parsed && parsed.warning === undefined;
      const isTaken = new RegExp(pattern, "u").test(text) || (allowed?.includes(text) ?? false);
      if (isRight) expect([name, text, isTaken]).toEqual([name, text, true]);
      if (text === "perhaps" || text === "5 s")
        expect([name, text, isTaken]).toEqual([name, text, isRight]);
    }
  }
});

function firstPattern(field: Field): { pattern?: string; enum?: readonly string[] } {
  const schema = valueSchema(field) as {
    pattern?: string;
    anyOf?: [{ enum: string[] }, { pattern: string }];
  };
  if (schema.anyOf === undefined) return schema;
  return { enum: schema.anyOf[0].enum, pattern: schema.anyOf[1].pattern };
}
