import { expect, test } from "vitest";
import graphql from "../../src/bindings/graphql/index.ts";
import { visibilityBy } from "../../src/resources/visibility.ts";
import { component, folder, load } from "./folder.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";

test.each([
  ["endpoint", true],
  ["direction", true],
  ["header:Authorization", false],
  ["header:", false],
  ["headers", false],
  ["nosuch", false],
])("whether the value of %s may be shown: %s", (property, shown) => {
  expect(visibilityBy([graphql], componentFields)("bindings.graphql", property)).toBe(shown);
});

test("the text of a header in a file is a secret of its component", async () => {
  const path = folder({
    "a.yaml": component(
      "a",
      "bindings.graphql",
      "- {name: endpoint, value: 'http://x/'}\n- {name: header:X-Key, value: canary}",
    ),
  });
  const { components, problems } = await load(path, { bindings: [graphql] });
  expect(problems).toEqual([]);
  expect(await components[0]?.resolve()).toEqual({
    values: { endpoint: "http://x/", "header:X-Key": "canary" },
    secrets: ["canary"],
  });
});
