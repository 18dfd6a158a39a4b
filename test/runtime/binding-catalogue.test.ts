import { expect, test } from "vitest";
import type { AnyBinding, BindingModule } from "../../src/binding.ts";
import { BindingCatalogue } from "../../src/runtime/binding-catalogue.ts";
import { FakeSystem } from "./fake-binding.ts";

function catalogue() {
  const loads: string[] = [];
  const module = (name: string, aliases: string[] = []): BindingModule => ({
    ...{ name, aliases },
    async load() {
      loads.push(name);
      return { default: new FakeSystem().binding(name) };
    },
  });
  const modules = [module("a", ["first"]), module("b"), module("c.d")];
  return { loads, made: new BindingCatalogue(modules) };
}

const names = (bindings: readonly AnyBinding[]): string[] => bindings.map(({ name }) => name);

test("only what a component names is loaded, once, by any name in any case", async () => {
  const { loads, made } = catalogue();
  const { loaded } = made;
  await made.need(["bindings.C.D", "state.redis"]);
  expect([loads, names(loaded)]).toEqual([["c.d"], ["c.d"]]);
  await Promise.all([made.need(["bindings.FIRST"]), made.need(["bindings.a", "bindings.c.d"])]);
  expect([loads, names(loaded)]).toEqual([
    ["c.d", "a"],
    ["c.d", "a"],
  ]);
});

test("a type that nobody has may be meant as any: all are loaded, for what may have been meant", async () => {
  const { loads, made } = catalogue();
  await made.need(["bindings.frst"]);
  expect(loads).toEqual(["a", "b", "c.d"]);
});

test("all of them come in their order", async () => {
  const { made } = catalogue();
  await made.need(["bindings.b"]);
  expect(names(await made.all())).toEqual(["a", "b", "c.d"]);
});

test("bindings of others are there from the start, and more are looked for where nobody has a type", async () => {
  const others = ["own", "found", "late"].map((name) => new FakeSystem().binding(name));
  const [own, ...rest] = others;
  if (own === undefined) throw new Error("it was made");
  let there = 1;
  let finds = 0;
  const made = new BindingCatalogue(
    [{ name: "a", load: async () => ({ default: new FakeSystem().binding("a") }) }],
    { loaded: [own], find: async () => (finds++, rest.slice(0, there)) },
  );
  await made.need(["bindings.OWN", "bindings.own-alias", "state.redis"]);
  expect([finds, names(made.loaded)]).toEqual([0, ["own"]]);
  await made.need(["bindings.found", "bindings.own"]);
  expect([finds, names(made.loaded)]).toEqual([1, ["own", "found"]]);
  there = 2;
  await made.need(["bindings.late"]);
  expect([finds, names(made.loaded)]).toEqual([2, ["own", "found", "late"]]);
  expect(names(await made.all())).toEqual(["a", "own", "found", "late"]);
});
