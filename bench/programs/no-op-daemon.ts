// The built daemon, whole, with one more binding: `noop` answers what it is given, so that what is left is Cufflink's.
import { join } from "node:path";
import type { AnyBinding } from "../../src/binding.ts";
import type * as bindingModule from "../../src/binding.ts";
import type * as bindingsModule from "../../src/bindings/index.ts";

const built = join(import.meta.dirname, "../../dist/src");
const load = (file: string): Promise<unknown> => import(join(built, file));

const { defineBinding } = (await load("binding.js")) as typeof bindingModule;
const noOp = defineBinding({
  name: "noop",
  status: "alpha",
  summary: "Answers what it is given.",
  metadata: {},
  open: () => ({ [Symbol.asyncDispose]: () => Promise.resolve() }),
  operations: {
    create: {
      description: "Answers the data.",
      request: {},
      invoke: (_, { data }) => Promise.resolve({ data }),
    },
  },
});
const { bindings } = (await load("bindings/index.js")) as typeof bindingsModule;
(bindings as AnyBinding[]).push(noOp);
await load("main.js");
