import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { declarationOf, declaredField } from "../../src/metadata/declared-field.ts";
import type { FieldDeclaration } from "../../src/metadata/declared-field.ts";
import { byPrefix, integer, string, type Field, type Fields } from "../../src/metadata/fields.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";

const texts = [
  "",
  "0",
  "1",
  "-1",
  "70000",
  "1e999",
  "abc",
  "true",
  "yes",
  "maybe",
  "5",
  "5s",
  "-5s",
];
texts.push(
  "4Mi",
  "a, b,,c",
  "insert",
  "NODE",
  "node",
  "0x10",
  "1.5",
  "9999999999999999999",
  " lazy ",
);

/** As a file brings it back. */
function throughFile(field: Field): FieldDeclaration {
  return JSON.parse(JSON.stringify(declarationOf(field))) as FieldDeclaration;
}

test.each([...bindings, { name: "every component", metadata: componentFields }])(
  "$name: fields say of every text what they said before they were written down",
  ({ metadata }) => {
    for (const [name, field] of Object.entries(metadata as Fields)) {
      const written = throughFile(field);
      const { description: _, example: __, parse, allowed, ...rest } = field;
      const declared = declaredField(written);
      expect({ name, ...declared }).toMatchObject({ name, ...rest });
      if (written.byCode) continue;
      expect(declared.allowed).toEqual(allowed);
      const more = [...(allowed ?? []), ...(field.default === undefined ? [] : [field.default])];
      for (const text of [...texts, ...more])
        expect([name, text, declared.parse(text)]).toEqual([name, text, parse(text)]);
    }
  },
);

test("a field that brings its own function along is read by code", () => {
  const even = { ...integer({ description: "Even." }), parse: () => ({ problem: "is odd" }) };
  expect(throughFile(even)).toEqual({ kind: "integer", byCode: true });
  const borrowed = {
    ...string({ description: "Text." }),
    parse: integer({ description: "" }).parse,
  };
  expect(throughFile(borrowed)).toEqual({ kind: "string", byCode: true });
});

test("only what is said is written", () => {
  expect(throughFile(string({ description: "Any.", example: "x" }))).toEqual({ kind: "string" });
  const sizes = byPrefix("size:", integer({ description: "Size.", min: 1, max: 9 }));
  expect(throughFile(sizes)).toEqual({ kind: "integer", prefix: "size:", min: 1, max: 9 });
});
