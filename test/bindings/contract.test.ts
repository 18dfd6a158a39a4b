import { describe, expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import type { Field, Fields } from "../../src/metadata/fields.ts";
import { parseFields } from "../../src/metadata/parse.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";
import { requestParser } from "../../src/runtime/outputs/request.ts";
import { stateStores } from "../../src/states/index.ts";

/** What each binding declares must hold together, without a server. */
describe.each([
  ...bindings.map((binding) => [`bindings.${binding.name}`, binding] as const),
  ...stateStores.map((store) => [`state.${store.name}`, store] as const),
])("%s", (_type, binding) => {
  const operations = Object.entries(binding.operations ?? {});
  const groups: [string, Fields][] = [
    ["metadata", binding.metadata as Fields],
    ...operations.map(([name, { request }]): [string, Fields] => [name, request as Fields]),
  ];
  const all = groups.flatMap(([group, fields]) =>
    Object.entries(fields).map(([name, field]) => ({ title: `${group} ${name}`, name, field })),
  );

  test("reads or can be invoked, and its sentences are sentences", () => {
    expect(binding.read !== undefined || operations.length > 0).toBe(true);
    const sentences = [
      binding.summary,
      ...operations.map(([, { description }]) => description),
      ...all.map(({ field }) => field.description),
    ];
    for (const sentence of sentences) {
      expect(sentence).toMatch(/^(?:[\p{Lu}`"\d]|\p{Ll}+: ).*[.)]$/su);
      expect(sentence.trim()).toBe(sentence);
    }
  });

  test("every default, example and allowed value is read without a complaint", () => {
    for (const { title, field } of all) {
      for (const text of textsOf(field)) {
        const parsed = field.parse(text);
        expect(parsed, `${title}: ${text}`).toHaveProperty("value");
        expect(parsed, `${title}: ${text}`).not.toHaveProperty("warning");
      }
    }
  });

  test("nothing is required and has a default", () => {
    const both = all.filter(({ field }) => field.required && field.default !== undefined);
    expect(both.map(({ title }) => title)).toEqual([]);
  });

  test("no name is taken twice, nor one that every component has", () => {
    for (const [group, fields] of groups) {
      const names = Object.entries(fields).flatMap(([name, { aliases }]) => [name, ...aliases]);
      const folded = names.map((name) => name.toLowerCase());
      // A component's names match in any case, those of a call as they are written.
      const compared = group === "metadata" ? folded : names;
      expect(new Set(compared).size, group).toBe(compared.length);
      if (group !== "metadata") continue;
      for (const name of Object.keys(componentFields)) {
        if (name.startsWith("backOff")) continue;
        expect(folded).not.toContain(name.toLowerCase());
      }
    }
  });

  test("names of the metadata match in any case", () => {
    const given = Object.entries(binding.metadata as Fields).flatMap(([name, field]) => {
      const [text] = textsOf(field);
      return text === undefined ? [] : [[name, text] as const];
    });
    const as = (fold: (name: string) => string) =>
      parseFields(
        binding.metadata as Fields,
        Object.fromEntries(given.map(([name, text]) => [fold(name), text])),
      ).values;
    expect(as((name) => name.toUpperCase())).toEqual(as((name) => name));
  });

  test("a property that nothing reads is a warning and no more", () => {
    const { problems } = parseFields(binding.metadata as Fields, { notAFieldOfAnything: "x" });
    const unknown = problems.filter(({ property }) => property === "notAFieldOfAnything");
    expect(unknown).toMatchObject([{ severity: "warning", kind: "unknown" }]);
  });

  test("the text of a sensitive field is never quoted", () => {
    const hidden = "hunter2 is no\u0000 value at all";
    const sensitive = all.filter(({ field }) => field.sensitive);
    for (const { title, name, field } of sensitive) {
      const { problems } = parseFields({ [name]: field }, { [name]: hidden });
      expect(JSON.stringify(problems), title).not.toContain("hunter2");
      const parse = requestParser({ [name]: field });
      try {
        parse({ [name]: hidden });
      } catch (error) {
        expect(String(error), title).not.toContain("hunter2");
      }
    }
  });

  test("what sounds like a secret is one", () => {
    const telling = /(password|secret|token|privateKey|clientKey|accessKey)$/i;
    const shown = all.filter(({ name, field }) => telling.test(name) && !field.sensitive);
    expect(shown.map(({ title }) => title)).toEqual([]);
  });
});

function textsOf({ default: otherwise, example, allowed = [] }: Field): string[] {
  return [example, otherwise, ...(allowed ?? [])].filter((text) => text !== undefined);
}
