import { entraFields } from "../../../metadata/entra-fields.ts";
import { byteSize, string } from "../../../metadata/fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";

export const openaiFields = {
  endpoint: string({
    description: "The resource's address.",
    required: true,
    example: "https://shop.openai.azure.com",
  }),
  apiKey: string({
    description: "The resource's key. Without it the component logs in to Microsoft Entra ID.",
    sensitive: true,
  }),
  maxResponseBodySize: byteSize({
    description:
      "The maximum size of an answer. A larger one is an error. Dapr has no such field and no limit.",
    default: "16Mi",
    within: "answer",
  }),
  ...entraFields,
  ...caCertField,
} as const;
