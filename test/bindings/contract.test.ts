import { describe, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { stateStores } from "../../src/states/index.ts";
import { testDeclaration } from "../../src/testkit/binding/declaration-suite.ts";

describe("bindings", () => {
  for (const binding of bindings) testDeclaration(test, binding);
});

describe("state stores", () => {
  for (const store of stateStores) testDeclaration(test, store);
});
