import { string } from "./fields.ts";

/** A key of AWS, of the types that may log in to a service of AWS and know it by Dapr's older names, too. */
export const awsKeyFields = {
  accessKey: string({
    description: "The AWS access key id. Without it and `secretKey` AWS's default chain is asked.",
    aliases: ["awsAccessKey"],
    sensitive: true,
  }),
  secretKey: string({
    description: "The AWS secret access key.",
    aliases: ["awsSecretKey"],
    sensitive: true,
  }),
  sessionToken: string({
    description: "The AWS session token.",
    aliases: ["awsSessionToken"],
    sensitive: true,
  }),
} as const;
