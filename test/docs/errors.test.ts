import { describe, expect, test } from "vitest";
import { collectErrors } from "../../scripts/errors/collect.ts";
import { errorIndex } from "../../scripts/errors/index.ts";
import { folder } from "../resources/folder.ts";
import { readPage, root } from "./pages.ts";

describe("the index of errors", () => {
  const index = errorIndex(root);

  test("explains every text: those of this list need an entry in scripts/errors/entries", () => {
    expect(index.unexplained).toEqual([]);
  });

  test("has no entry without a text", () => {
    expect(index.unused).toEqual([]);
  });

  test.each([
    ["errors/runtime.md", "couldn't find output binding …"],
    ["errors/calls.md", "error invoking output binding …: …"],
    ["errors/component-files.md", "tabs do not indent in YAML; use spaces"],
    ["errors/component-files.md", "the driver … is not installed…; run: …"],
    ["errors/apps.md", "the app answered HTTP ……"],
    ["errors/command-line.md", "--ca and --insecure contradict each other; say one of them"],
    [
      "errors/bindings.md",
      "no topics are given, so nothing is read; give topics, or direction: output",
    ],
  ])("%s has: %s", (page, text) => {
    expect(readPage(`docs/${page}`)).toContain(`\n- \`${text}\``);
  });
});

test("a text that nobody foresaw is explained by no entry", () => {
  const files = ["amqp-client/new", "bindings/new/index", "http-client/new", "local-files/new"];
  // Words that texts of other kinds have, too.
  const texts = [
    "the wombat of the row has no value behind it",
    "reading the burrow failed: not found",
    "the connection of the wombat is closed",
    "a name must be longer than the topic",
  ];
  const source = `
    const wrong = (why: string, more: string) => new BindingError(more, why);
    ${texts.map((text) => `throw wrong(${JSON.stringify(text)}, late);`).join("\n")}
  `;
  const made = Object.fromEntries(files.map((file) => [`src/${file}.ts`, source]));
  const errors = "export class BindingError extends Error {}";
  const { unexplained } = errorIndex(folder({ ...made, "src/errors.ts": errors }));
  for (const file of files)
    for (const text of texts)
      expect(unexplained).toContainEqual(expect.stringMatching(`^src/${file}.ts:\\d+: ${text}$`));
});

test("texts are found wherever a person is told them", () => {
  const source = `
    import { BindingError } from "./errors.ts";
    class Broken extends Error {}
    const refused = (why: string) => new BindingError("not_found", why);
    function isOdd(message: string) { return message; }
    export function work(name: string, logger: Logger, isLate: boolean) {
      logger.warn({ name }, "it is tried again");
      logger.debug("nobody is told this");
      if (isLate) throw new BindingError("unavailable", isLate ? "too late today" : \`\${name} is away\`, { effect: "unsent" });
      if (name === "") throw refused("the " + name + " is gone");
      if (name === "x") isOdd("it is odd");
      throw new Broken(textOf(name));
    }
    function textOf(name: string) { return \`\${name} is broken\`; }
    export const field = { description: "This is no error.", check: () => ["a value is missing"] };
  `;
  const found = collectErrors(
    folder({ "src/a.ts": source, "src/errors.ts": "export class BindingError extends Error {}" }),
  );
  expect(found.map(({ text, reason, line }) => [text, reason, line])).toEqual([
    ["it is tried again", "log", 7],
    ["too late today", "unavailable", 9],
    ["… is away", "unavailable", 9],
    ["the … is gone", "not_found", 10],
    ["it is odd", undefined, 11],
    ["… is broken", undefined, 12],
    ["a value is missing", undefined, 15],
  ]);
});
