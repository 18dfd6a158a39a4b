// The reference of cufflink.v1, from the comments of its protos.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { markdownTable } from "../../src/metadata/describe.ts";

type Field = {
  readonly name: string;
  readonly type: string;
  readonly typeName?: string;
  readonly label?: string;
  readonly proto3Optional?: boolean;
  readonly oneofIndex?: number;
};
type Message = {
  readonly name: string;
  readonly field?: readonly Field[];
  readonly oneofDecl?: readonly { readonly name: string }[];
  readonly nestedType?: readonly (Message & {
    readonly options?: { readonly mapEntry?: boolean };
  })[];
  readonly enumType?: readonly Enum[];
};
type Enum = { readonly name: string; readonly value: readonly { readonly name: string }[] };
type Method = {
  readonly name: string;
  readonly inputType: string;
  readonly outputType: string;
  readonly clientStreaming?: boolean;
  readonly serverStreaming?: boolean;
};
type ProtoFile = {
  readonly name: string;
  readonly package: string;
  readonly service?: readonly { readonly name: string; readonly method: readonly Method[] }[];
  readonly messageType?: readonly Message[];
  readonly enumType?: readonly Enum[];
  readonly sourceCodeInfo: {
    readonly location: readonly {
      readonly path?: readonly number[];
      readonly leadingComments?: string;
    }[];
  };
};

export function markdownRpcs(root: string): string {
  const buf = join(root, "node_modules/.bin/buf");
  const image = execFileSync(buf, ["build", "--path", "proto/cufflink", "-o", "-#format=json"], {
    ...{ cwd: root, encoding: "utf8", maxBuffer: 64 << 20, shell: process.platform === "win32" },
  });
  const { file } = JSON.parse(image) as { file: ProtoFile[] };
  const own = file
    .filter((one) => one.package === "cufflink.v1")
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [
    "Each method is a call of gRPC, of Connect, and of HTTP: a unary one is `POST /SERVICE/METHOD` with a JSON body, on both ports. The files are in [proto/cufflink/v1](../../proto/cufflink/v1); gRPC reflection serves them too. What is not set has the type's default.",
    ...own.flatMap(servicesOf),
    "## Messages",
    ...own.flatMap((one) =>
      (one.messageType ?? []).flatMap((message, at) => messageOf(one, message, [4, at])),
    ),
    "## Enumerations",
    ...own.flatMap((one) =>
      (one.enumType ?? []).flatMap((two, at) => enumOf(one, two, [5, at], two.name)),
    ),
  ].join("\n\n");
}

function servicesOf(file: ProtoFile): string[] {
  return (file.service ?? []).flatMap(({ name, method }, at) => [
    `## ${file.package}.${name}`,
    commentAt(file, [6, at]),
    ...method.flatMap((one, index) => [
      `### ${name}.${one.name}`,
      `\`${one.clientStreaming ? "stream " : ""}${shortName(one.inputType)}\` → \`${one.serverStreaming ? "stream " : ""}${shortName(one.outputType)}\``,
      commentAt(file, [6, at, 2, index]),
    ]),
  ]);
}

function messageOf(file: ProtoFile, message: Message, path: number[], prefix = ""): string[] {
  const name = `${prefix}${message.name}`;
  const nested = message.nestedType ?? [];
  const rows = (message.field ?? []).map((field, at) => [
    `\`${field.name}\``,
    typeOf(field, nested),
    cell(commentAt(file, [...path, 2, at])),
  ]);
  return [
    `### ${name}`,
    commentAt(file, path),
    ...(rows.length === 0 ? [] : [markdownTable(["Field", "Type", "Meaning"], rows)]),
    ...nested.flatMap((one, at) =>
      one.options?.mapEntry ? [] : messageOf(file, one, [...path, 3, at], `${name}.`),
    ),
    ...(message.enumType ?? []).flatMap((one, at) =>
      enumOf(file, one, [...path, 4, at], `${name}.${one.name}`),
    ),
  ];
}

function enumOf(file: ProtoFile, { value }: Enum, path: number[], name: string): string[] {
  const rows = value.map((one, at) => [`\`${one.name}\``, cell(commentAt(file, [...path, 2, at]))]);
  return [`### ${name}`, commentAt(file, path), markdownTable(["Value", "Meaning"], rows)];
}

function typeOf(field: Field, nested: NonNullable<Message["nestedType"]>): string {
  const entry = nested.find(
    ({ name, options }) => options?.mapEntry && field.typeName?.endsWith(`.${name}`),
  );
  if (entry?.field !== undefined) {
    const [key, value] = entry.field.map((one) => typeOf({ ...one, label: "" }, []));
    return `map of ${key} to ${value}`;
  }
  const name =
    field.typeName === undefined
      ? field.type.replace("TYPE_", "").toLowerCase()
      : `\`${shortName(field.typeName)}\``;
  const list = field.label === "LABEL_REPEATED" ? "list of " : "";
  const choice = field.oneofIndex !== undefined && !field.proto3Optional ? "one of: " : "";
  return `${choice}${list}${name}${field.proto3Optional ? ", optional" : ""}`;
}

function shortName(type: string): string {
  return type.replace(/^\.(cufflink\.v1\.)?/, "");
}

function commentAt({ sourceCodeInfo }: ProtoFile, path: readonly number[]): string {
  const found = sourceCodeInfo.location.find((one) => one.path?.join(".") === path.join("."));
  // Angle brackets would be taken for HTML.
  return (found?.leadingComments ?? "").trim().replaceAll(/\n */g, "\n").replaceAll("<", "&lt;");
}

function cell(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}
