import { daprMetadata, daprStoreMetadata, type Json } from "../src/metadata/describe.ts";
import { wholeCatalogue } from "../src/schema/catalogue.ts";
import { componentFileSchema } from "../src/schema/component-file.ts";
import { exampleFile } from "../src/schema/example.ts";

/** The files of schema/ by their paths in it. */
export async function schemaFiles(): Promise<ReadonlyMap<string, string>> {
  const catalogue = await wholeCatalogue();
  const { bindings, secretStores, stateStores } = catalogue;
  const bundle = {
    schemaVersion: "v1",
    // Go's zero time: the bundle says what its version of the package has, and when does not matter.
    date: "00010101000000",
    components: [
      ...byName(bindings).map((one) => daprMetadata(one)),
      ...byName(secretStores).map((one) => daprStoreMetadata(one)),
    ],
  };
  const files = new Map([
    ["component.schema.json", `${lines(componentFileSchema(catalogue), "")}\n`],
    ["component-metadata-bundle.json", `${lines(bundle, "")}\n`],
  ]);
  for (const [block, types] of [
    ["bindings", bindings],
    ["secretstores", secretStores],
    ["state", stateStores],
  ] as const) {
    for (const one of types) {
      // No component of such a type runs.
      if ("notBuilt" in one && one.notBuilt === true) continue;
      const type = `${block}.${one.name}`;
      files.set(`examples/${type}.yaml`, exampleFile(type, one, "../component.schema.json"));
    }
  }
  return files;
}

function byName<One extends { readonly name: string }>(all: readonly One[]): One[] {
  return all.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** JSON whose lines are neither many nor long, so that changes of two branches can be merged. */
function lines(value: Json, indent: string): string {
  const flat = JSON.stringify(value);
  if (flat.length + indent.length <= 160 || typeof value !== "object" || value === null)
    return flat;
  const inner = `${indent} `;
  const parts = Array.isArray(value)
    ? (value as readonly Json[]).map((one) => inner + lines(one, inner))
    : Object.entries(value).map(
        ([key, one]) => `${inner}${JSON.stringify(key)}: ${lines(one, inner)}`,
      );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${parts.join(",\n")}\n${indent}${close}`;
}
