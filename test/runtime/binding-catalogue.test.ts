import { expect, test } from "vitest";
import type { AnyBinding, BindingModule } from "../../src/binding.ts";
import { string } from "../../src/metadata/fields.ts";
import { BindingCatalogue, type KnownModule } from "../../src/runtime/binding-catalogue.ts";
import { DeclaredBinding, declarationOfBinding } from "../../src/runtime/declared-binding.ts";
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

/** Modules whose declarations are known; `b` is also read by code. */
function declaredCatalogue() {
  const loads: string[] = [];
  const module = (name: string): KnownModule => {
    const binding = new FakeSystem().binding(name);
    const own = { ...string({ description: "" }), parse: () => ({ problem: "is wrong" }) };
    const whole = name === "b" ? { ...binding, metadata: { ...binding.metadata, own } } : binding;
    return {
      name,
      declaration: () => declarationOfBinding(whole),
      async load() {
        loads.push(name);
        return { default: whole };
      },
    };
  };
  return { loads, made: new BindingCatalogue([module("a"), module("b")]) };
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

test("where all components of a type wait for their first use, its declaration is enough", async () => {
  const { loads, made } = declaredCatalogue();
  const waiting = new Map([["bindings.a", ["host"]]]);
  await made.need(["bindings.a", "bindings.b"], waiting);
  expect([loads, names(made.loaded).toSorted()]).toEqual([["b"], ["a", "b"]]);
  await made.need(["bindings.a"], waiting);
  expect(loads).toEqual(["b"]);
  const declared = made.loaded.find(({ name }) => name === "a");
  expect(declared).toBeInstanceOf(DeclaredBinding);
  await made.need(["bindings.a"]);
  expect([loads, names(made.loaded).toSorted()]).toEqual([
    ["b", "a"],
    ["a", "b"],
  ]);
  expect(made.loaded.some((one) => one instanceof DeclaredBinding)).toBe(false);
});

test("its first use loads it, once, in place of the declaration", async () => {
  const { loads, made } = declaredCatalogue();
  await made.need(["bindings.a"], new Map([["bindings.a", []]]));
  const [declared] = made.loaded;
  const load = async () => (declared instanceof DeclaredBinding ? declared.load() : undefined);
  const [one, other] = await Promise.all([load(), load()]);
  expect(one).toBe(other);
  expect([loads, made.loaded]).toEqual([["a"], [one]]);
});

test("a property that is read by code needs the code", async () => {
  const { loads, made } = declaredCatalogue();
  await made.need(["bindings.b"], new Map([["bindings.b", ["host"]]]));
  expect(loads).toEqual([]);
  await made.need(["bindings.b"], new Map([["bindings.b", ["host", "OWN"]]]));
  expect(loads).toEqual(["b"]);
});

test("what could not be loaded is tried again", async () => {
  let tries = 0;
  const load = async (): Promise<{ default: AnyBinding }> => {
    if (++tries === 1) throw new Error("not there");
    return { default: new FakeSystem().binding("a") };
  };
  const made = new BindingCatalogue([{ name: "a", load }]);
  await expect(made.need(["bindings.a"])).rejects.toThrow("not there");
  await made.need(["bindings.a"]);
  expect(names(made.loaded)).toEqual(["a"]);
});
