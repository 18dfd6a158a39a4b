import { bool } from "../../../metadata/fields.ts";
import { defineSecretStore } from "../../../secret-store.ts";
import { textOfJson } from "../../rest.ts";
import { awsStoreFields } from "../fields.ts";
import { awsStore, checkAws, openAws } from "../open.ts";

const service = {
  ...{ id: "Secrets Manager", host: "secretsmanager", variable: "SECRETS_MANAGER" },
} as const;

type Answer = {
  readonly Name?: string;
  readonly SecretString?: string;
  /** In base64. */
  readonly SecretBinary?: string;
};

/** Secrets of AWS Secrets Manager, each in its current version. */
export default defineSecretStore({
  ...awsStore,
  name: "aws.secretmanager",
  status: "stable",
  summary: "Reads secrets from AWS Secrets Manager.",
  provedBy: ["moto 5.2.1 (emulator)"],
  metadata: {
    ...awsStoreFields,
    multipleKeyValuesPerSecret: bool({
      description: "A secret that is a JSON object has the object's keys, not one value.",
      default: "false",
    }),
  },

  check: (metadata) => checkAws(metadata, service),

  open: (opening) =>
    openAws(opening, service, async (client, name, signal) => {
      const target = {
        prefix: "secretsmanager",
        operation: "GetSecretValue",
        version: "1.1",
      } as const;
      const answer = await client.json<Answer>(target, { SecretId: name }, signal);
      const value = answer.SecretString ?? answer.SecretBinary;
      if (value === undefined) return new Map();
      const parts = opening.metadata.multipleKeyValuesPerSecret ? objectOf(value) : undefined;
      if (parts !== undefined)
        return new Map(Object.entries(parts).map(([key, part]) => [key, textOfJson(part)]));
      // One that is named by its ARN can be referred to by both names.
      return new Map([
        [answer.Name ?? name, value],
        [name, value],
      ]);
    }),
});

function objectOf(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
