import { defineBinding } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { chainDriverVersions, needsAwsDriver } from "../../../identity/aws/identity.ts";
import { string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { AwsClient } from "../client.ts";
import { awsFields, regionField } from "../fields.ts";
import { checkMetadata } from "../settings.ts";
import { itemOf } from "./item.ts";

const dynamodbFields = {
  table: string({
    description: "The table's name, or its ARN.",
    required: true,
    example: "orders",
  }),
  ...regionField,
  ...awsFields,
} as const;

const target = { prefix: "DynamoDB_20120810", version: "1.0" } as const;

/** Puts items into a table of Amazon DynamoDB. */
export default defineBinding({
  name: "aws.dynamodb",
  status: "beta",
  summary: "Puts items into an Amazon DynamoDB table.",
  provedBy: [{ system: "moto", kind: "emulator" }],
  drivers: chainDriverVersions,
  needsDriver: needsAwsDriver,
  metadata: dynamodbFields,

  check: (metadata) => problemsOf([() => checkSettings(metadata)]),

  async open({ metadata, memory, driver, hide, signal }): Promise<Table & AsyncDisposable> {
    checkSettings(metadata);
    const opening = { metadata, memory, driver, ...(hide ? { hide } : {}) };
    const client = await AwsClient.open(opening, { id: "DynamoDB", host: "dynamodb" });
    const table = {
      client,
      name: metadata.table,
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    };
    try {
      await probe(table, signal);
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
    return table;
  },

  operations: {
    create: {
      description:
        "Puts the data, a JSON object, into the table as one item, in place of one with the same key.",
      request: {},
      idempotent: true,
      async invoke({ client, name }, { data, signal }) {
        const input = { TableName: name, Item: itemOf(data) };
        await client.json({ ...target, operation: "PutItem" }, input, signal);
      },
    },
  },

  async ping(table, signal) {
    await probe(table, signal);
  },

  async examine(table, { signal, ask }) {
    await ask("authenticated", "", () => {});
    await ask("exists", `table ${table.name}`, () => describe(table, signal));
  },
});

type Table = { readonly client: AwsClient; readonly name: string };

async function describe({ client, name }: Table, signal: AbortSignal): Promise<void> {
  await client.json({ ...target, operation: "DescribeTable" }, { TableName: name }, signal);
}

async function probe(table: Table, signal: AbortSignal): Promise<void> {
  try {
    await describe(table, signal);
  } catch (error) {
    // The service is there, and has said who may ask what.
    if (!(error instanceof BindingError) || error.reason !== "permission_denied") throw error;
  }
}

function checkSettings(metadata: Values<typeof dynamodbFields>): void {
  checkMetadata(metadata);
  if (/^(?:arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table\/)?[\w.-]{3,255}$/.test(metadata.table)) return;
  throw new BindingError(
    "invalid_argument",
    `table ${JSON.stringify(metadata.table)} is no name of a table: 3 to 255 letters, digits, "_", "-" and "."`,
  );
}
