import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { AnyBinding } from "../../../src/binding.ts";
import { bindings } from "../../../src/bindings/index.ts";
import type { Field, Fields } from "../../../src/metadata/fields.ts";
import { component, Kits } from "./kits.ts";

const kits = new Kits();
afterEach(() => kits.close());

/** Component files of types with every documented field. */
const files = join(import.meta.dirname, "../../cli/catalogue");

/** What a component needs beside the fields that are required, where there is no file. */
const extra: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  imap: { password: "secret" },
  mqtt5: { topic: "orders" },
  postgres: { url: "postgres://localhost/shop", publications: "orders", slot: "orders" },
  "rethinkdb.statechange": { address: "localhost:28015" },
  sftp: { password: "secret", insecureIgnoreHostKey: "true" },
};

const candidates = ["stand-in", "1", "true", "30s", "https://stand-in.example"];

function valueFor(field: Field): string {
  const texts = [field.example, field.allowed?.[0], ...candidates];
  return texts.find((text) => text !== undefined && "value" in field.parse(text)) ?? "";
}

function requiredOf(fields: Fields): Record<string, string> {
  const required = Object.entries(fields).filter(([, field]) => field.required);
  return Object.fromEntries(required.map(([name, field]) => [name, valueFor(field)]));
}

function resourcesOf(binding: AnyBinding) {
  const file = join(files, `${binding.name}.yaml`);
  if (existsSync(file)) return { resources: file };
  const direction = binding.read && binding.operations ? { direction: "input, output" } : {};
  const metadata = { ...requiredOf(binding.metadata as Fields), ...direction };
  return { components: [component("one", binding.name, { ...metadata, ...extra[binding.name] })] };
}

test.each(bindings.filter(({ notBuilt }) => notBuilt !== true))(
  "$name: its declaration opens, each operation can be called, each input fed",
  async (binding) => {
    const seen: string[] = [];
    const kit = await kits.of({
      ...resourcesOf(binding),
      app: { onBindingEvent: ({ name, id }) => void seen.push(`${name} ${id}`) },
    });
    await kit.ready();
    const components = kit.components().filter(({ type }) => type === `bindings.${binding.name}`);
    expect(components).not.toEqual([]);
    for (const { name, operations, directions } of components) {
      for (const operation of operations) {
        const request = binding.operations?.[operation]?.request as Fields;
        kit.output(name).once(operation, { json: { operation }, metadata: { by: "test" } });
        const answer = await kit.invoke(name, operation, {
          ...{ data: "payload", metadata: requiredOf(request) },
        });
        expect(String(answer?.data)).toBe(JSON.stringify({ operation }));
        expect(kit.output(name).calls.at(-1)).toMatchObject({ operation, encoding: "bytes" });
      }
      if (!directions.input) continue;
      const settlement = await kit.input(name).deliver({ data: "event", id: "e" });
      expect(settlement).toMatchObject({ outcome: "handled", attempts: 1 });
      expect(seen).toContain(`${name} e`);
    }
    const inputs = components.filter(({ directions }) => directions.input);
    const outputs = components.filter(({ operations }) => operations.length > 0);
    expect(inputs.length > 0).toBe(binding.read !== undefined);
    expect(outputs.length > 0).toBe(binding.operations !== undefined);
  },
);

test.each(bindings)("$name: no driver is named, and no check is lost", async (binding) => {
  const { StandIns } = await import("../../../src/testkit/app/stand-ins.ts");
  const standIn = new StandIns().replace(binding);
  expect(standIn).not.toHaveProperty("drivers");
  expect("check" in standIn).toBe("check" in binding);
  expect(standIn).toHaveProperty("metadata", binding.metadata);
  expect(Object.keys(standIn.operations ?? {})).toEqual(Object.keys(binding.operations ?? {}));
  for (const [name, operation] of Object.entries(binding.operations ?? {})) {
    const same = standIn.operations?.[name] ?? {};
    expect(same).toMatchObject({ request: operation.request });
    expect("invokeStream" in same).toBe("invokeStream" in operation);
  }
});
