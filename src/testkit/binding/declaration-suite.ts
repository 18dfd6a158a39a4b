import assert from "node:assert/strict";
import type { AnyBinding } from "../../binding.ts";
import type { Field, Fields } from "../../metadata/fields.ts";
import { parseFields } from "../../metadata/parse.ts";
import { componentFields } from "../../runtime/component/component-fields.ts";
import { requestParser } from "../../runtime/outputs/request.ts";
import { addTest, type TestFunction } from "./runner.ts";

/** What each binding declares must hold together, without a server: the tests of one. */
export function testDeclaration(test: TestFunction, binding: AnyBinding): void {
  const operations = Object.entries(binding.operations ?? {});
  const metadata = binding.metadata as Fields;
  const groups: [string, Fields][] = [
    ["metadata", metadata],
    ...operations.map(([name, { request }]): [string, Fields] => [name, request as Fields]),
  ];
  const all = groups.flatMap(([group, fields]) =>
    Object.entries(fields).map(([name, field]) => ({ title: `${group} ${name}`, name, field })),
  );
  const titled = (title: string): string => `${binding.name}: ${title}`;

  addTest(test, titled("reads or can be invoked, and its sentences are sentences"), async () => {
    assert.ok(binding.read !== undefined || operations.length > 0);
    const sentences = [
      binding.summary,
      ...operations.map(([, { description }]) => description),
      ...all.map(({ field }) => field.description),
    ];
    for (const sentence of sentences) {
      assert.match(sentence, /^(?:[\p{Lu}`"\d]|\p{Ll}+: ).*[.)]$/su);
      assert.equal(sentence.trim(), sentence);
    }
  });

  addTest(
    test,
    titled("every default, example and allowed value is read without a complaint"),
    async () => {
      for (const { title, field } of all) {
        for (const text of textsOf(field)) {
          const parsed = field.parse(text);
          assert.ok("value" in parsed, `${title}: ${text} is not read`);
          assert.ok(!("warning" in parsed), `${title}: ${text} is read with a warning`);
        }
      }
    },
  );

  addTest(test, titled("nothing is required and has a default"), async () => {
    const both = all.filter(({ field }) => field.required && field.default !== undefined);
    assert.deepEqual(
      both.map(({ title }) => title),
      [],
    );
  });

  addTest(test, titled("no name is taken twice, nor one that every component has"), async () => {
    for (const [group, fields] of groups) {
      const names = Object.entries(fields).flatMap(([name, { aliases }]) => [name, ...aliases]);
      const folded = names.map((name) => name.toLowerCase());
      // A component's names match in any case, those of a call as they are written.
      const compared = group === "metadata" ? folded : names;
      assert.equal(new Set(compared).size, compared.length, `${group} has a name twice`);
      if (group !== "metadata") continue;
      for (const name of Object.keys(componentFields)) {
        if (name.startsWith("backOff")) continue;
        assert.ok(!folded.includes(name.toLowerCase()), `every component has the field ${name}`);
      }
    }
  });

  addTest(test, titled("names of the metadata match in any case"), async () => {
    const given = Object.entries(metadata).flatMap(([name, field]) => {
      const [text] = textsOf(field);
      return text === undefined ? [] : [[name, text] as const];
    });
    const as = (fold: (name: string) => string): object => {
      const folded = given.map(([name, text]) => [fold(name), text]);
      return parseFields(metadata, Object.fromEntries(folded) as Record<string, string>).values;
    };
    assert.deepEqual(
      as((name) => name.toUpperCase()),
      as((name) => name),
    );
  });

  addTest(test, titled("a property that nothing reads is a warning and no more"), async () => {
    const { problems } = parseFields(metadata, { notAFieldOfAnything: "x" });
    const unknown = problems.filter(({ property }) => property === "notAFieldOfAnything");
    assert.deepEqual(
      unknown.map(({ severity, kind }) => ({ severity, kind })),
      [{ severity: "warning", kind: "unknown" }],
    );
  });

  addTest(test, titled("the text of a sensitive field is never quoted"), async () => {
    const hidden = "hunter2 is no\u0000 value at all";
    for (const { title, name, field } of all.filter((one) => one.field.sensitive)) {
      const { problems } = parseFields({ [name]: field }, { [name]: hidden });
      assert.ok(!JSON.stringify(problems).includes("hunter2"), `${title} is quoted`);
      const parse = requestParser({ [name]: field });
      try {
        parse({ [name]: hidden });
      } catch (error) {
        assert.ok(!String(error).includes("hunter2"), `${title} is quoted`);
      }
    }
  });

  addTest(test, titled("what sounds like a secret is one"), async () => {
    const telling = /(password|secret|token|privateKey|clientKey|accessKey)$/i;
    const shown = all.filter(({ name, field }) => telling.test(name) && !field.sensitive);
    assert.deepEqual(
      shown.map(({ title }) => title),
      [],
    );
  });
}

function textsOf({ default: otherwise, example, allowed = [] }: Field): string[] {
  return [example, otherwise, ...(allowed ?? [])].filter((text) => text !== undefined);
}
