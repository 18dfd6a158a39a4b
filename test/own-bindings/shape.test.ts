import { expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import { createRuntime } from "../../src/index.ts";
import { shapeProblems, shapeText } from "../../src/own-bindings/shape.ts";
import { stateStores } from "../../src/states/index.ts";

test.each([...bindings, ...stateStores].map((one) => [one.name, one] as const))(
  "%s is a binding",
  (_, binding) => {
    expect(shapeProblems(binding)).toEqual([]);
  },
);

test.each([[undefined], [null], [1], ["text"], [[]], [() => {}]])("%o is none", (value) => {
  expect(shapeProblems(value).map(shapeText)).toEqual([
    "the binding is no binding; make it by `defineBinding({ … })`",
  ]);
});

test("all that a declaration can have wrong is told by the name of the property", () => {
  const wrong = {
    name: "no type",
    aliases: ["fine", ""],
    status: 1,
    summary: " ",
    provedBy: [{ system: "X", kind: "guess" }],
    drivers: { pg: 8 },
    metadata: null,
    open: undefined,
    read: "text",
    operations: {
      create: [],
      set: { description: "Sets.", request: {}, invoke() {}, idempotent: 1 },
    },
    guarantee: { returned: "x", atLeastOnce: "y", duplicates: { app: "a", runtime: "b" } },
    retry: { inbound: 1, outbond() {} },
    inputIsOptional: "yes",
  };
  expect(shapeProblems(wrong).map(shapeText)).toEqual([
    '`name` must be a type\'s name such as "acme.queue", and is "no type"',
    '`aliases.1` must be a type\'s name such as "acme.queue", and is ""',
    "`status` must be one of stable, beta, alpha, and is a number",
    "`summary` must be a text, and is empty",
    '`provedBy.0.kind` must be one of real, emulator, stand-in, and is "guess"',
    "`drivers.pg` must be a text, and is a number",
    "`metadata` must be an object, and is null",
    "`open` is missing",
    "`operations.create` must be an object, and is a list",
    "`operations.set.idempotent` must be true, false or a function, and is a number",
    "`read` must be a function, and is a text",
    "`guarantee.duplicates.server` is missing",
    "`inputIsOptional` must be true or false, and is a text",
    "`retry.inbound` must be a function, and is a number",
    "`retry.outbond` is not known; did you mean `outbound`?",
  ]);
});

test("one that nobody can use is told so", () => {
  const useless = {
    ...{ name: "x", status: "alpha", summary: "X.", metadata: {}, open() {} },
    operations: {},
  };
  expect(shapeProblems(useless).map(shapeText)).toEqual([
    "the binding has neither `operations` nor `read`, so that nobody could use it",
  ]);
});

test("an embedded runtime refuses what is no binding", async () => {
  const bindings = [{ name: "acme.half", status: "alpha" } as never];
  await expect(createRuntime({ bindings })).rejects.toThrow(
    "bindings[0]: `summary` is missing; `metadata` is missing; `open` is missing; the binding has neither",
  );
});
