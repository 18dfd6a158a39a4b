import { stringify } from "yaml";
import type { Described, DescribedStore } from "../metadata/describe.ts";
import { writtenName, type Field } from "../metadata/fields.ts";

/** Where the schema is, seen from a folder of components in a project that has the package. */
export const publishedSchema = "../node_modules/cufflink/schema/component.schema.json";

/**
 * A component file that `check` accepts: the fields that must be there, and the others as comments, each with its
 * description. `schema`: where the file's schema is, for editors.
 */
export function exampleFile(
  type: string,
  described: Pick<Described | DescribedStore, "summary" | "metadata" | "example">,
  schema: string,
): string {
  const { summary, metadata, example: chosen = {} } = described;
  const fields = Object.entries(metadata).filter(([, { deprecated }]) => deprecated === undefined);
  const given = fields.filter(([name, { required }]) => required || Object.hasOwn(chosen, name));
  const others = fields.filter((entry) => !given.includes(entry));
  const items = [
    ...given.map(([name, field]) => item(name, field, chosen[name] ?? sample(name, field))),
    ...(given.length === 0 ? ["    []"] : []),
    ...(others.length === 0 ? [] : ["    # Optional:"]),
    ...others.map(([name, field]) => commented(item(name, field, sample(name, field)))),
  ];
  return [
    `# yaml-language-server: $schema=${schema}`,
    ...wrapped(summary, 0),
    "apiVersion: dapr.io/v1alpha1",
    "kind: Component",
    "metadata:",
    `  name: my-${type.slice(type.indexOf(".") + 1).replaceAll(".", "-")}`,
    "spec:",
    `  type: ${type}`,
    "  version: v1",
    "  metadata:",
    ...items,
    "",
  ].join("\n");
}

function item(name: string, field: Field, value: string): string {
  const text = stringify(value, { lineWidth: 0 }).trim();
  const lines = text.split("\n");
  return [
    ...wrapped(field.description, 4),
    `    - name: ${stringify(writtenName(name, field)).trim()}`,
    `      value: ${[lines[0], ...lines.slice(1).map((line) => `      ${line}`)].join("\n")}`,
  ].join("\n");
}

function commented(text: string): string {
  return text
    .split("\n")
    .map((line) => (/^ *#/.test(line) ? line : line.replace(/^ {4}/, "    # ")))
    .join("\n");
}

/** What a value may look like. */
function sample(name: string, field: Field): string {
  const known = field.example ?? (field.default === "" ? undefined : field.default);
  if (known !== undefined) return known;
  const { kind, allowed, bounds } = field;
  if (kind === "bool") return "true";
  if (kind === "integer" || kind === "number") return String(bounds?.min ?? 1);
  if (kind === "duration") return "30s";
  if (kind === "byteSize") return "4Mi";
  return allowed?.[0] ?? `my-${name}`;
}

function wrapped(text: string, indent: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.replaceAll(/\s+/g, " ").split(" ")) {
    if (line !== "" && indent + 2 + line.length + 1 + word.length > 100) {
      lines.push(line);
      line = "";
    }
    line += (line === "" ? "" : " ") + word;
  }
  return [...lines, line].map((one) => `${" ".repeat(indent)}# ${one}`);
}
