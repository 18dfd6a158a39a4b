import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readByBoth } from "./both-yaml.ts";

const root = join(import.meta.dirname, "../..");

test("a component as it is usually written is read plainly, each part at its place", () => {
  const text = `--- # shop
# who orders
apiVersion: dapr.io/v1alpha1
kind: Component

metadata:
  name: orders   # a name
spec:
    type: bindings.http
    version: v1
    metadata:
    - name: url
      value: "https://shop.example/#a?b=c: d"
      # between

    - { name: header:x-y, value: 'it''s', secretKeyRef: {name: a, key: b} }
    -   name: number
        value: -1.50
scopes: [a, "b", 'c']
auth:
  secretStore: vault
list:
  - a b
  - -1
  - []
  - {}
`;
  const { plain, library } = readByBoth(text);
  expect(plain).toBeDefined();
  expect(plain).toEqual(library);
});

test("the component files of the tests, the examples and the docs read the same by both", () => {
  const files = globSync("{test,examples,docs}/**/*.{yaml,yml}", { cwd: root });
  const documents = files.flatMap((file) =>
    readFileSync(join(root, file), "utf8").split(/^(?=---)/m),
  );
  const read = documents
    .filter((text) => text.replaceAll(/^---|#.*$/gm, "").trim() !== "")
    .map((text) => readByBoth(text));
  const plain = read.filter((one) => one.plain !== undefined);
  for (const one of plain) expect(one.plain).toEqual(one.library);
  expect(plain.length).toBeGreaterThan(read.length / 2);
});

test.each([
  ["an anchor and an alias", "a: &x b\nc: *x\n"],
  ["a tag", "a: !!str 1\n"],
  ["a merge", "a: {b: c}\n<<: {d: e}\n"],
  ["a block text", "a: |\n  b\n"],
  ["a folded text", "a: >-\n  b\n"],
  ["a text over two lines", "a: b\n  c\n"],
  ["a quoted text over two lines", 'a: "b\n  c"\n'],
  ["an escape", 'a: "b\\n"\n'],
  ["brackets over two lines", "a: {b: c,\n  d: e}\n"],
  ["a key without a value", "a:\nb: c\n"],
  ["a key without a value in brackets", "a: {b: , c: d}\n"],
  ["a quoted key", '"a": b\n'],
  ["a key as JSON has it", 'a: {"b":1}\n'],
  ["a key given twice", "a: b\na: c\n"],
  ["two keys that Go reads as one", "yes: b\ntrue: c\n"],
  ["a list in a list", "- - a\n"],
  ["a tab", "a:\tb\n"],
  ["a carriage return", "a: b\r\n"],
  ["a letter beyond ASCII", "a: é\n"],
  ["a colon within a value", "a: b: c\n"],
  ["a colon at the end", "a: b:\n"],
  ["a wrong indentation", "a:\n  b: c\n d: e\n"],
  ["an indented line after a list", "a:\n  - b\n  c: d\n"],
  ["a bracket that is not closed", "a: {b: c\n"],
  ["a quote that is not closed", "a: 'b\n"],
  ["something behind a quote", "a: 'b' c\n"],
  ["something behind brackets", "a: [b] c\n"],
  ["a text alone", "abc\n"],
  ["a directive", "%YAML 1.1\n---\na: b\n"],
  ["a document's end", "a: b\n...\n"],
  ["a value beside the document's start", "--- a: b\n"],
  ["brackets nested very deeply", `a: ${"[".repeat(60)}${"]".repeat(60)}\n`],
  ["a very long text", `a: ${"b".repeat(50_000)}\n`],
])("%s is for the library", (_, text) => {
  expect(readByBoth(text).plain).toBeUndefined();
});
