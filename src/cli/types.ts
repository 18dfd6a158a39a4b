import { styleText } from "node:util";
import type { Command } from "commander";
import type { AnyBinding } from "../binding.ts";
import { installCommand } from "../drivers.ts";
import { daprMetadata, directionsOf, jsonSchema } from "../metadata/describe.ts";
import { writtenName } from "../metadata/fields.ts";
import type { Field, Fields } from "../metadata/fields.ts";
import { closest } from "../metadata/suggest.ts";
import { ExitCode } from "./exit-code.ts";
import { addBindingsOption, allBindings } from "./own-bindings.ts";
import { formatTable, wantsColor, writeJson } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** `cufflink types`: the binding types that this version has. */
export function addTypesCommand(program: Command): void {
  const command = addBindingsOption(program.command("types"))
    .description("list the binding types, or describe one with its fields and operations")
    .argument("[name]", "the type, with or without bindings.")
    .option("--json", "for tools: as Dapr's metadata.yaml has it")
    .option("--schema", "the JSON Schema of component files; of one type: that of its metadata")
    .option("--example", "a component file of the type")
    .addHelpText(
      "after",
      `
Exit code 1: there is no type of that name.

Examples:
  cufflink types
  cufflink types redis
  cufflink types bindings.kafka --schema
  cufflink types redis --example > components/redis.yaml
  cufflink types --schema > component.schema.json
`,
    )
    .action(async (name: string | undefined) => {
      const { json, schema, example, bindings: named } = command.opts<Options>();
      if (example && name === undefined)
        throw new UsageError(
          "--example needs the name of a type, as cufflink types redis --example",
        );
      const { bindings, added, problems } = await allBindings(named);
      for (const problem of problems) process.stderr.write(`cufflink: ${problem}\n`);
      const shown = name === undefined ? bindings : [find(bindings, name)];
      if (example) {
        const { exampleFile, publishedSchema } = await import("../schema/example.ts");
        for (const one of shown)
          process.stdout.write(exampleFile(`bindings.${one.name}`, one, publishedSchema));
      } else if (schema && name === undefined) {
        const { componentFileSchema } = await import("../schema/component-file.ts");
        const { wholeCatalogue } = await import("../schema/catalogue.ts");
        writeJson(componentFileSchema(await wholeCatalogue(added)));
      } else if (json || schema) {
        const values = shown.map((one) => (schema ? jsonSchema : daprMetadata)(one));
        writeJson(name === undefined ? values : values[0]);
      } else {
        process.stdout.write(
          `${name === undefined ? list(shown) : shown.map(describeType).join("\n")}\n`,
        );
      }
    });
}

type Options = { json?: true; schema?: true; example?: true; bindings: string[] };

function find(bindings: readonly AnyBinding[], name: string): AnyBinding {
  const wanted = name.toLowerCase().replace(/^bindings\./, "");
  const namesOf = ({ name, aliases = [] }: AnyBinding): string[] =>
    [name, ...aliases].map((one) => one.toLowerCase());
  const found = bindings.find((one) => namesOf(one).includes(wanted));
  if (found !== undefined) return found;
  const meant = closest(wanted, bindings.flatMap(namesOf));
  const hint = meant === undefined ? "see cufflink types" : `did you mean ${meant}?`;
  process.stderr.write(`no binding type is called ${JSON.stringify(name)}; ${hint}\n`);
  throw new ExitCode(1);
}

function list(bindings: readonly AnyBinding[]): string {
  const rows = [...bindings]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((one) => [
      `bindings.${one.name}`,
      directionsOf(one).join(","),
      one.status,
      Object.keys(one.operations ?? {}).join(",") || "-",
      one.summary,
    ]);
  return formatTable([["TYPE", "DIRECTION", "STATUS", "OPERATIONS", "SUMMARY"], ...rows]);
}

function describeType(binding: AnyBinding): string {
  const operations: [string, { description: string; request: Fields }][] = Object.entries(
    binding.operations ?? {},
  );
  const aliases = (binding.aliases ?? []).map((alias) => `bindings.${alias}`);
  return [
    `${bold(`bindings.${binding.name}`)}  ${directionsOf(binding).join(" and ")}, ${binding.status}`,
    binding.summary,
    ...(aliases.length === 0 ? [] : [`Also called ${aliases.join(", ")}.`]),
    ...(binding.drivers === undefined
      ? []
      : [`Its driver is installed by: ${installCommand(binding.drivers, undefined)}`]),
    "",
    bold("METADATA"),
    ...fieldLines(binding.metadata, "  "),
    ...operations.flatMap(([name, { description, request }]) => [
      "",
      `${bold("OPERATION")} ${bold(name)}`,
      `  ${description}`,
      ...fieldLines(request, "  "),
    ]),
  ].join("\n");
}

function fieldLines(fields: Fields, indent: string): string[] {
  return Object.entries(fields).flatMap(([name, field]: [string, Field]) => {
    const names = [writtenName(name, field), ...field.aliases].join(", ");
    return [`${indent}${names}  (${facts(field)})`, `${indent}    ${field.description}`];
  });
}

function facts(field: Field): string {
  const { kind, required, allowed, example, direction, sensitive, deprecated } = field;
  return [
    kind === "oneOf" ? `one of ${(allowed ?? []).join(", ")}` : kind,
    ...(required ? ["required"] : []),
    ...(field.default ? [`default ${field.default}`] : []),
    ...(direction === undefined ? [] : [`${direction} only`]),
    ...(sensitive ? ["secret"] : []),
    ...(deprecated === undefined ? [] : [`deprecated: ${deprecated}`]),
    ...(example === undefined ? [] : [`example ${example}`]),
  ].join("; ");
}

function bold(text: string): string {
  return wantsColor(process.stdout) ? styleText("bold", text, { validateStream: false }) : text;
}
