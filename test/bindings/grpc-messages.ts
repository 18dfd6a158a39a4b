import { ScalarType, type DescField, type DescMessage, type DescMethod } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { MessageFields } from "../../src/grpc-service/messages.ts";

type OwnMethod = {
  readonly name: string;
  readonly request: { readonly fields: MessageFields };
  readonly response: { readonly fields: MessageFields };
};

/** What own methods and their messages have that the published ones do not have, or have otherwise. */
export function differences(
  own: readonly OwnMethod[],
  published: readonly DescMethod[],
): readonly string[] {
  return own.flatMap((method) => {
    const found = published.find(({ name }) => name === method.name);
    if (found === undefined) return [`there is no method ${method.name}`];
    return [
      ...ofMessage(method.request.fields, found.input),
      ...ofMessage(method.response.fields, found.output),
    ];
  });
}

function ofMessage(own: MessageFields, published: DescMessage): readonly string[] {
  return Object.entries(own).flatMap(([name, field]) => {
    const found = published.fields.find(({ number }) => number === field.number);
    const where = `${published.typeName}.${name}`;
    if (found === undefined) return [`${where}: there is no field ${field.number}`];
    if (found.name.toLowerCase() !== name.toLowerCase()) return [`${where} is ${found.name}`];
    if (wireOf(found) !== field.kind.wire) return [`${where} is of another type`];
    const isNumber64 = typeof field.kind.none() === "bigint";
    const is64 =
      found.fieldKind === "scalar" &&
      [ScalarType.INT64, ScalarType.UINT64].some((type) => type === found.scalar);
    return is64 === isNumber64 || found.fieldKind !== "scalar"
      ? []
      : [`${where} has another range`];
  });
}

function wireOf(field: DescField): WireType {
  const kind =
    field.fieldKind === "list"
      ? field.listKind === "scalar"
        ? "scalar"
        : field.listKind
      : field.fieldKind;
  if (kind === "enum") return WireType.Varint;
  if (kind !== "scalar") return WireType.LengthDelimited;
  const isText = field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES;
  return isText ? WireType.LengthDelimited : WireType.Varint;
}
