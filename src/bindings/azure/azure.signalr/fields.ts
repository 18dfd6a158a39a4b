import { entraFields } from "../../../metadata/entra-fields.ts";
import { string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";

export const signalrFields = {
  connectionString: string({
    description:
      "The connection string, with AccessKey, or AuthType=aad and perhaps ClientId, ClientSecret and TenantId.",
    sensitive: true,
    example: "Endpoint=https://shop.service.signalr.net;AccessKey=…;Version=1.0;",
  }),
  endpoint: string({
    description: "The service's address. It takes the place of that in connectionString.",
    example: "https://shop.service.signalr.net",
  }),
  accessKey: string({
    description:
      "The access key, in place of that in connectionString. Without one the component logs in to Microsoft Entra ID.",
    sensitive: true,
  }),
  hub: string({
    description: "The hub. Without it each call must name one. It is written in lower case.",
    example: "orders",
  }),
  ...entraFields,
  ...caCertField,
} as const;

export type SignalrMetadata = Values<typeof signalrFields>;

const hub = string({
  description: "The hub, in place of the component's.",
  example: "orders",
});
const user = string({ description: "The user.", example: "42" });

export const sendFields = {
  hub,
  group: string({ description: "Only to this group. It comes before `user`.", example: "admins" }),
  user,
} as const;

export const negotiateFields = { hub, user } as const;
