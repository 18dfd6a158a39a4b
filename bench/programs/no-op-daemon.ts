// The built daemon, whole, with one more binding: `noop` answers what it is given, so that what is left is Cufflink's.
import { join } from "node:path";
import definition from "./no-op-binding.ts";
import type { BindingModule } from "../../src/binding.ts";
import type * as bindingModule from "../../src/binding.ts";
import type * as modulesModule from "../../src/bindings/modules.ts";

const built = join(import.meta.dirname, "../../dist/src");
const load = (file: string): Promise<unknown> => import(join(built, file));

const { defineBinding } = (await load("binding.js")) as typeof bindingModule;
const noOp = defineBinding(definition);
const { bindingModules } = (await load("bindings/modules.js")) as typeof modulesModule;
(bindingModules as BindingModule[]).push({
  name: "noop",
  load: () => Promise.resolve({ default: noOp }),
});
await load("main.js");
