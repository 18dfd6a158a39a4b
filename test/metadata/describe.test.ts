import { describe, expect, test } from "vitest";
import { bindings } from "../../src/bindings/index.ts";
import {
  daprMetadata,
  jsonSchema,
  markdownReference,
  markdownTable,
  type Described,
} from "../../src/metadata/describe.ts";
import { bool, byteSize, duration, oneOf, string } from "../../src/metadata/fields.ts";

const binding: Described = {
  name: "example.queue",
  aliases: ["queue"],
  status: "beta",
  summary: "Sends to a queue.",
  metadata: {
    url: string({
      description: "Where the queue is.",
      required: true,
      example: "q://host",
      aliases: ["host"],
    }),
    token: string({ description: "The token.", sensitive: true }),
    wait: duration({ description: "How long to wait.", default: "90s", direction: "input" }),
    limit: byteSize({ description: "The largest message.", default: "4Mi" }),
    mode: oneOf(["a|b", "c"], { description: "The mode." }),
    old: bool({ description: "Old.", deprecated: "say mode" }),
  },
  operations: {
    create: {
      description: "Sends a message.",
      idempotent: true,
      request: { ttl: duration({ description: "How long it is kept." }) },
    },
    purge: { description: "Empties the queue.", request: {} },
  },
  read: () => undefined,
};

test("JSON Schema", () => {
  expect(jsonSchema(binding)).toMatchObject({
    title: "bindings.example.queue",
    properties: {
      url: { type: ["string", "number", "boolean"], examples: ["q://host"] },
      host: { deprecated: true },
      token: { writeOnly: true },
      wait: { type: ["string", "integer"], default: "90s" },
      mode: { enum: ["a|b", "c"] },
      old: { deprecated: true },
    },
    allOf: [{ anyOf: [{ required: ["url"] }, { required: ["host"] }] }],
    additionalProperties: false,
  });
});

test("Dapr's metadata.yaml", () => {
  expect(daprMetadata(binding)).toEqual({
    schemaVersion: "v1",
    type: "bindings",
    name: "example.queue",
    version: "v1",
    status: "beta",
    title: "example.queue",
    description: "Sends to a queue.",
    urls: [],
    binding: {
      input: true,
      output: true,
      operations: [
        { name: "create", description: "Sends a message." },
        { name: "purge", description: "Empties the queue." },
      ],
    },
    metadata: [
      {
        name: "url",
        description: "Where the queue is.",
        type: "string",
        required: true,
        example: "q://host",
      },
      { name: "token", description: "The token.", type: "string", sensitive: true, example: "" },
      {
        name: "wait",
        description: "How long to wait.",
        type: "duration",
        default: "90s",
        example: "90s",
        binding: { input: true },
      },
      {
        name: "limit",
        description: "The largest message.",
        type: "bytesize",
        default: "4Mi",
        example: "4Mi",
      },
      {
        name: "mode",
        description: "The mode.",
        type: "string",
        example: "a|b",
        allowedValues: ["a|b", "c"],
      },
      { name: "old", description: "Old.", type: "bool", example: "", deprecated: true },
    ],
  });
});

test("Markdown", () => {
  const text = markdownReference(binding);
  expect(text).toContain(
    "- Type: `bindings.example.queue`, also `bindings.queue`\n- Direction: input and output",
  );
  expect(text).toContain(
    "| `url`, `host` | text | required | Where the queue is. Example: `q://host`. |",
  );
  expect(text).toContain("| `wait` | duration | `1m30s` | How long to wait. Only for input. |");
  expect(text).toContain("The mode. `a\\|b`, `c`.");
  expect(text).toContain("### `create`\n\nSends a message.\n\nIdempotent.\n\nRequest metadata");
  expect(text).toMatch(/### `purge`\n\nEmpties the queue.\n$/);
});

test("a table's cells cannot break it", () => {
  expect(markdownTable(["a"], [["x\n y|z"]])).toBe("| a |\n| --- |\n| x y\\|z |");
});

describe("every binding", () => {
  // Dapr's schema allows these keys and no others.
  const allowed =
    "name description required sensitive type default example allowedValues binding deprecated";

  test.each(bindings.map((one) => [one.name, one as Described] as const))(
    "%s can be described",
    (_, one) => {
      const { metadata } = daprMetadata(one) as { metadata: Record<string, unknown>[] };
      for (const field of metadata) {
        expect(allowed.split(" ")).toEqual(expect.arrayContaining(Object.keys(field)));
        expect(field["description"]).not.toBe("");
      }
      expect(jsonSchema(one)).toMatchObject({ title: `bindings.${one.name}` });
      const wrongDefaults = Object.entries(one.metadata).filter(
        ([, field]) => field.default !== undefined && "problem" in field.parse(field.default),
      );
      expect(wrongDefaults).toEqual([]);
    },
  );
});
