import { expect, test } from "vitest";
import graphql from "../../src/bindings/graphql/index.ts";
import { visibilityBy } from "../../src/resources/visibility.ts";
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
