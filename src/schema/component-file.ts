import type { Described, DescribedStore, Json } from "../metadata/describe.ts";
import type { Fields } from "../metadata/fields.ts";
import { objectMeta, specKeys } from "../resources/component-document.ts";
import { blocks } from "../resources/component-type.ts";
import { componentVersion, otherKinds } from "../resources/kind.ts";
import { configurationSchema, resiliencySchema } from "./other-kinds.ts";
import {
  itemSchema,
  propertiesOfBinding,
  propertiesOfStore,
  propertiesSchema,
  type PropertiesOf,
} from "./properties.ts";
import { inAnyCase, when, type Schema } from "./values.ts";

/** All that a schema of component files is made of. */
export type Catalogue = {
  readonly bindings: readonly Described[];
  readonly stateStores: readonly Described[];
  readonly secretStores: readonly DescribedStore[];
  /** Fields of every binding component. */
  readonly componentFields: Fields;
  /** Fields of every remote secret store. */
  readonly remoteStoreFields: Fields;
};

/**
 * The JSON Schema (draft 7, the newest that all editors read) of one document of a component file. Keys that
 * it does not know it refuses in their usual spelling; names of properties and types count in any case, as
 * for the runtime.
 */
export function componentFileSchema(catalogue: Catalogue): Schema {
  const { bindings, stateStores, secretStores, componentFields, remoteStoreFields } = catalogue;
  const typed = [
    ...sorted(bindings).map((one) => ({
      types: [one.name, ...(one.aliases ?? [])].map((name) => `bindings.${name}`),
      summary: one.summary,
      of: propertiesOfBinding(one, componentFields),
    })),
    ...sorted(secretStores).map((one) => ({
      types: [`secretstores.${one.name}`],
      summary: one.summary,
      of: propertiesOfStore(one, remoteStoreFields),
    })),
    ...sorted(stateStores).map((one) => ({
      types: [`state.${one.name}`],
      summary: one.summary,
      of: { ...propertiesOfBinding(one, {}), type: `state.${one.name}` },
    })),
  ];
  const shared = { ...componentFields, ...remoteStoreFields };
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "A resource of Cufflink",
    description: "Dapr's component files: Component, Resiliency and Configuration.",
    type: "object",
    properties: {
      apiVersion: { type: "string", default: componentVersion },
      kind: { type: "string", default: "Component" },
    },
    allOf: [
      documentsOfDapr(),
      ofKind("Component", { $ref: "#/definitions/component" }),
      ofKind("Resiliency", { $ref: "#/definitions/resiliency" }),
      ofKind("Configuration", { $ref: "#/definitions/configuration" }),
    ],
    definitions: {
      component: componentSchema(typed),
      resiliency: resiliencySchema(),
      configuration: configurationSchema(),
      item: anyItem(),
      metadata: objectMetaSchema(),
      ...prefixed(
        "every.",
        Object.entries(shared).map(([name, field]) => [name, itemSchema(field)]),
      ),
      ...prefixed(
        "of.",
        typed.map(({ of }) => [of.type, propertiesSchema(of, sharedAt)]),
      ),
    },
  };
}

function sharedAt(name: string): string {
  return `#/definitions/every.${name}`;
}

function sorted<One extends { readonly name: string }>(declared: readonly One[]): readonly One[] {
  return [...declared].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function prefixed(prefix: string, entries: readonly (readonly [string, Schema])[]): Schema {
  return Object.fromEntries(entries.map(([name, schema]) => [prefix + name, schema]));
}

/** Documents of others, such as Kubernetes's own, may stand in the same file. */
function documentsOfDapr(): Schema {
  const kinds = ["Component", "Configuration", "Resiliency", ...otherKinds].toSorted();
  const ofDapr = { properties: { apiVersion: { type: "string", pattern: "^dapr\\.io/" } } };
  const isOurs = { properties: { kind: { enum: ["Component", "Resiliency"] } } };
  return when(
    { anyOf: [{ ...ofDapr, required: ["apiVersion"] }, { not: { required: ["apiVersion"] } }] },
    {
      required: ["apiVersion", "kind"],
      properties: {
        apiVersion: { enum: [componentVersion] },
        kind: { enum: [...new Set(kinds)] },
      },
      ...when({ ...isOurs, required: ["kind"] }, { required: ["metadata", "spec"] }),
    },
  );
}

function ofKind(kind: string, then: Schema): Schema {
  return when(
    {
      properties: { apiVersion: { enum: [componentVersion] }, kind: { enum: [kind] } },
      required: ["kind", "apiVersion"],
    },
    then,
  );
}

function componentSchema(
  typed: readonly {
    readonly types: readonly string[];
    readonly summary: string;
    readonly of: PropertiesOf;
  }[],
): Schema {
  const types = typed.flatMap((one) => one.types.map((type) => ({ type, summary: one.summary })));
  const ofOthers = blocks
    .filter((block) => block !== "bindings" && block !== "secretstores")
    .join("|");
  return {
    additionalProperties: false,
    required: ["metadata", "spec"],
    properties: {
      apiVersion: {},
      kind: {},
      metadata: {
        allOf: [{ $ref: "#/definitions/metadata" }],
        properties: {
          name: {
            description: "The name by which apps know the component.",
            type: ["string", "number", "boolean"],
            pattern: "^(?!\\.{0,2}$)[^/%]+$",
            patternErrorMessage: "The name cannot be part of a URL's path.",
          },
        },
        required: ["name"],
      },
      spec: specSchema(types, typed, ofOthers),
      auth: {
        description: "Where the component's secrets come from.",
        type: ["object", "null"],
        additionalProperties: false,
        properties: {
          secretStore: {
            description: "The name of a component whose type begins with secretstores.",
            type: ["string", "null"],
          },
        },
      },
      scopes: {
        description: "The ids of the apps that may use the component. Absent: all.",
        type: ["array", "null"],
        items: { type: ["string", "number", "boolean"] },
      },
    },
    ...when(
      {
        properties: {
          spec: {
            properties: { metadata: { type: "array", contains: { required: ["secretKeyRef"] } } },
            required: ["metadata"],
          },
        },
        required: ["spec"],
      },
      {
        required: ["auth"],
        errorMessage:
          'A secretKeyRef needs a secret store: add "auth: {secretStore: NAME}" at the top level.',
      },
    ),
  };
}

function specSchema(
  types: readonly { readonly type: string; readonly summary: string }[],
  typed: readonly { readonly types: readonly string[]; readonly of: PropertiesOf }[],
  ofOthers: string,
): Schema {
  const properties: Record<string, Json> = {
    type: {
      description: "The type of the component.",
      anyOf: [
        {
          enum: types.map(({ type }) => type),
          enumDescriptions: types.map(({ summary }) => summary),
          errorMessage: "There is no such type.",
        },
        // Dapr's other building blocks are left out by the runtime; the case of a name does not matter.
        { type: "string", pattern: `^(?:${ofOthers})\\.` },
        {
          type: "string",
          pattern: `^(?:${types.map(({ type }) => prefixAsWritten(type)).join("|")})$`,
        },
      ],
    },
    version: {
      description: "The version of the type.",
      enum: ["v1", "v0", "", "V1", "V0", null],
      default: "v1",
    },
    ignoreErrors: {
      description: "Accepted for Dapr; no component ever stops another one.",
      type: ["boolean", "null"],
    },
    initTimeout: {
      description: "How long the first connection may take before the component counts as tried.",
      type: ["string", "integer", "null"],
      default: "5s",
      examples: ["30s"],
    },
    metadata: {
      description: "The settings of the component.",
      type: ["array", "null"],
      items: { $ref: "#/definitions/item" },
    },
  };
  return {
    type: "object",
    additionalProperties: false,
    required: ["type"],
    properties: Object.fromEntries(specKeys.map((key) => [key, properties[key] ?? {}])),
    allOf: typed.map(({ types, of }) => {
      const pattern = `^(?:${types.map(prefixAsWritten).join("|")})$`;
      return when(
        { properties: { type: { type: "string", pattern } }, required: ["type"] },
        {
          properties: { metadata: { $ref: `#/definitions/of.${of.type}` } },
          // Without any settings none that is required can be there.
          ...(isNeeding(of) ? { required: ["metadata"] } : {}),
        },
      );
    }),
  };
}

function isNeeding({ metadata }: PropertiesOf): boolean {
  return Object.values(metadata).some(
    ({ required, direction }) => required && direction === undefined,
  );
}

/** The prefix counts as written, the rest in any case. */
function prefixAsWritten(type: string): string {
  const dot = type.indexOf(".") + 1;
  return `${type.slice(0, dot).replace(".", "\\.")}${inAnyCase(type.slice(dot))}`;
}

/** One item of `spec.metadata`, whatever its name. */
function anyItem(): Schema {
  return {
    type: "object",
    required: ["name"],
    additionalProperties: false,
    properties: {
      name: { type: ["string", "number", "boolean"] },
      value: {},
      secretKeyRef: {
        description: "Takes the value from the secret store that auth.secretStore names.",
        type: ["object", "null"],
        additionalProperties: false,
        required: ["name"],
        properties: {
          name: { description: "The secret.", type: ["string", "number"] },
          key: {
            description: "The key in the secret. Default: the secret's name.",
            type: ["string", "number", "null"],
          },
        },
      },
      envRef: {
        description: "Takes the value from this environment variable of the runtime.",
        type: ["string", "null"],
      },
    },
  };
}

function objectMetaSchema(): Schema {
  const described: Record<string, Json> = {
    namespace: {
      description: "Components of other namespaces than that of the runtime are left out.",
      type: ["string", "null"],
    },
    labels: { type: ["object", "null"] },
    annotations: { type: ["object", "null"] },
  };
  return {
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(objectMeta.map((key) => [key, described[key] ?? {}])),
  };
}
