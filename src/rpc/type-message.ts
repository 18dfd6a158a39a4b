import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import type { AnyBinding } from "../binding.ts";
import { writtenName } from "../metadata/fields.ts";
import type { Field, Fields } from "../metadata/fields.ts";
import { directionsOf } from "./component-message.ts";

/** A type of binding as `cufflink.v1.BindingType`. */
export function describeType(binding: AnyBinding) {
  const operations: [string, { description: string; request: Fields }][] = Object.entries(
    binding.operations ?? {},
  );
  return {
    name: binding.name,
    aliases: [...(binding.aliases ?? [])],
    status: binding.status,
    summary: binding.summary,
    version: "v1",
    directions: directionsOf({
      input: binding.read !== undefined,
      output: binding.operations !== undefined,
    }),
    metadata: describeFields(binding.metadata),
    operations: operations.map(([name, { description, request }]) => ({
      name,
      description,
      request: describeFields(request),
    })),
  };
}

function describeFields(fields: Fields) {
  return Object.entries(fields).map(([name, field]: [string, Field]) => ({
    name: writtenName(name, field),
    aliases: [...field.aliases],
    type: field.kind,
    description: field.description,
    required: field.required,
    allowedValues: [...(field.allowed ?? [])],
    sensitive: field.sensitive,
    example: field.example ?? "",
    direction: field.direction === undefined ? Direction.UNSPECIFIED : directionOf[field.direction],
    ...(field.default !== undefined && { defaultValue: field.default }),
  }));
}

const directionOf = { input: Direction.INPUT, output: Direction.OUTPUT } as const;
