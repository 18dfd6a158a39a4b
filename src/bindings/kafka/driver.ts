import { createRequire, findPackageJSON } from "node:module";
import type { Driver } from "./client.ts";

type Validate = ((data: unknown) => boolean) & { errors?: unknown };
type Compiler = { compile: (this: unknown, schema: unknown) => Validate };

const name = "@platformatic/kafka";
let loaded: Promise<Driver> | undefined;

/**
 * Loads the driver. By itself it would compile a hundred schemas of options, of which nothing here is checked with one:
 * half of the time that it takes to load, and 13 MiB.
 */
export function loadKafkaDriver(): Promise<Driver> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Driver> {
  const compiler = compilerOf();
  if (compiler === undefined) return import("@platformatic/kafka");
  const { compile } = compiler;
  compiler.compile = function (schema) {
    return onceAsked(() => compile.call(this, schema));
  };
  try {
    return await import("@platformatic/kafka");
  } finally {
    compiler.compile = compile;
  }
}

/** What the driver compiles its schemas with. `undefined`: this version has something else. */
function compilerOf(): Compiler | undefined {
  try {
    const require = createRequire(findPackageJSON(name, import.meta.url) ?? import.meta.url);
    const { Ajv2020 } = require("ajv/dist/2020.js") as { Ajv2020?: { prototype: Compiler } };
    return Ajv2020?.prototype;
  } catch {
    return undefined;
  }
}

/** Compiles when the first value is to be checked. */
function onceAsked(compile: () => Validate): Validate {
  let compiled: Validate | undefined;
  const validate: Validate = (data) => {
    compiled ??= compile();
    const isValid = compiled(data);
    validate.errors = compiled.errors;
    return isValid;
  };
  return validate;
}
