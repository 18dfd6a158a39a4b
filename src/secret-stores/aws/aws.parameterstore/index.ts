import { string } from "../../../metadata/fields.ts";
import { defineSecretStore, singleValue } from "../../../secret-store.ts";
import { awsStoreFields } from "../fields.ts";
import { awsStore, checkAws, openAws } from "../open.ts";

const service = { id: "SSM", host: "ssm" } as const;

type Answer = { readonly Parameter?: { readonly Value?: string } };

/** Parameters of AWS Systems Manager, decrypted. */
export default defineSecretStore({
  ...awsStore,
  name: "aws.parameterstore",
  status: "stable",
  summary: "Reads secrets from the Parameter Store of AWS Systems Manager.",
  provedBy: ["moto 5.2.1 (emulator)"],
  metadata: {
    ...awsStoreFields,
    prefix: string({
      description: "The text that precedes each secret's name.",
      default: "",
      example: "/shop/",
    }),
  },

  check: (metadata) => checkAws(metadata, service),

  open: (opening) =>
    openAws(opening, service, async (client, name, signal) => {
      const target = { prefix: "AmazonSSM", operation: "GetParameter", version: "1.1" } as const;
      const wanted = { Name: opening.metadata.prefix + name, WithDecryption: true };
      const { Parameter } = await client.json<Answer>(target, wanted, signal);
      return Parameter?.Value === undefined ? new Map() : singleValue(name, Parameter.Value);
    }),
});
