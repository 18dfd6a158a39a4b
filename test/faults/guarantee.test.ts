import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { guaranteeOf } from "./guarantee.ts";
import { sources } from "./matrix.ts";

const bindingOf = (source: string): string => source.split("-", 1).join();

test("the matrix has a row of every input", () => {
  const inputs = bindings.filter((one) => one.guarantee !== undefined).map(({ name }) => name);
  const rows = new Set(sources.map(({ name }) => bindingOf(name)));
  expect(inputs.filter((name) => !rows.has(name))).toEqual([]);
});

test.each(
  sources.flatMap(({ name, bounds }) => {
    const guarantee = guaranteeOf(`bindings.${bindingOf(name)}`);
    return guarantee === undefined ? [] : [[name, bounds, guarantee.duplicates] as const];
  }),
)("%s: the matrix allows no more duplicates than the binding states", (_, bounds, duplicates) => {
  let before = 0;
  for (const strikes of ["app", "runtime", "server"] as const) {
    const text = duplicates[strikes];
    const numbers = [...text.matchAll(/\d+/g)].map(Number);
    const stated = Math.max(0, ...numbers, text.includes("the same") ? before : 0);
    expect(bounds[strikes], `${strikes}: ${text}`).toBeLessThanOrEqual(stated);
    before = stated;
  }
});
