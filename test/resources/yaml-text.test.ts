import { expect, test } from "vitest";
import { parseDocuments } from "../../src/resources/document.ts";
import { readPlainYaml } from "../../src/resources/plain-yaml.ts";
import { ResourceObject } from "../../src/resources/resource-object.ts";
import { Source } from "../../src/resources/source.ts";
import { textOf } from "../../src/resources/tree.ts";
import { yamlOfJson } from "../../src/resources/yaml-text.ts";

/** The value as it is read again, as JSON. */
async function readAgain(json: string): Promise<string> {
  const [parsed] = await parseDocuments(new Source("x", yamlOfJson(json)));
  if (parsed === undefined || "broken" in parsed) throw new Error(JSON.stringify(parsed));
  expect(parsed.problems).toEqual([]);
  return textOf(parsed.tree);
}

const texts = [
  ...["", " ", "plain", "two words", "yes", "null", "~", "1", "0x1f", "1_000", ".5", "-", "- a"],
  ...["a: b", "a #b", "#", "it's", '"', "\\", "a\\n", "line\nline\n", "\t", "\r\n", "grün", "😀"],
  ...["\u0085", "\u2028", "\ufeff", "\u0000", "\u007f", "---", "...", "*a", "&a", "!a", "%a", "@a"],
  ...[
    "{a}",
    "[a]",
    "a,b",
    "?",
    "|",
    ">",
    "=",
    "<<",
    "/path/to",
    "2026-01-01",
    "http://u:p@h/x?a=b",
  ],
];

test.each(texts)("the text %j, as a value, in lists and as a key", async (text) => {
  for (const value of [{ a: text }, { a: [text, { b: text }] }, { a: [[text]] }, { [text]: 1 }]) {
    const json = JSON.stringify(value);
    expect(await readAgain(json)).toBe(json);
  }
});

test("numbers keep their digits; true, null and what is empty stay what they are", async () => {
  for (const json of [
    ...['{"a":9007199254740993}', '{"a":-0.5}', '{"a":1e+21}', '{"a":[true,false,null]}'],
    ...['{"a":{"b":{"c":[{"d":[]},{"e":{}}]}}}', '{"a":[[1,[2]],{"b":[3]}]}'],
  ])
    expect(await readAgain(json)).toBe(json);
});

test("what is written as components usually are is read without the YAML library", () => {
  const json = JSON.stringify({
    ...{
      apiVersion: "dapr.io/v1alpha1",
      kind: "Component",
      metadata: { name: "a", namespace: "b" },
    },
    spec: {
      type: "bindings.kafka",
      version: "v1",
      metadata: [{ name: "brokers", value: "h:1,i:2" }],
    },
    ...{ auth: { secretStore: "kubernetes" }, scopes: ["orders"] },
  });
  expect(readPlainYaml(yamlOfJson(json), 0)).toBeDefined();
});

test("a problem has the object's name, and beside it where it is in the text", () => {
  const object = ResourceObject.ofJson("Component shop/a", '{"spec":{"type":"x"}}');
  expect(object.text).toBe("spec:\n  type: x\n");
  expect(object.problem("error", [8, 12], "is wrong")).toEqual({
    ...{ severity: "error", file: "Component shop/a", line: 0, column: 0, message: "is wrong" },
    within: { line: 2, column: 3 },
  });
});
