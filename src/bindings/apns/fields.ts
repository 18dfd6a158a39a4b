import { bool, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";
import { caCertField } from "../../metadata/tls-fields.ts";

export const apnsFields = {
  development: bool({
    description: "Whether apps are reached that are signed for development, by Apple's sandbox.",
    default: "false",
  }),
  "key-id": string({
    description: "The id of the key, which Apple gave with it.",
    required: true,
    example: "ABC123DEFG",
  }),
  "team-id": string({
    description: "The id of the developer team that the key belongs to.",
    required: true,
    example: "DEF123GHIJ",
  }),
  "private-key": string({
    description: "The key for signing tokens: the content of the `.p8` file, PKCS #8 in PEM.",
    required: true,
    sensitive: true,
  }),
  apiUrl: string({
    description:
      "The address of the service, for a test or for Apple's other port. Default: that of `development`. Dapr has no such field.",
    example: "https://api.push.apple.com:2197",
  }),
  ...caCertField,
} as const;

/** The headers of a notification; those of them that a call names are sent. */
export const headerFields = {
  "apns-push-type": string({
    description:
      "What the notification is: `alert`, `background`, `voip`, `liveactivity` and others. Apple requires it for current systems.",
    example: "alert",
  }),
  "apns-id": string({
    description: "The notification's id, a UUID. Without it Apple makes one.",
    example: "123e4567-e89b-12d3-a456-426614174000",
  }),
  "apns-expiration": string({
    description:
      "Until when Apple keeps it for a device that is away, in seconds since 1970; `0`: not at all.",
    example: "1893456000",
  }),
  "apns-priority": string({
    description: "`10`: at once; `5` or `1`: with regard to power.",
    example: "10",
  }),
  "apns-topic": string({
    description: "The topic, most often the app's bundle id.",
    example: "com.example.shop",
  }),
  "apns-collapse-id": string({
    description: "Notifications with the same text are shown as one. At most 64 bytes.",
    example: "order-1",
  }),
} as const;

export const createFields = {
  "device-token": string({
    sensitive: true,
    description: "The device's token, in hexadecimal digits. Required.",
    example: "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0",
  }),
  ...headerFields,
} as const;

export type ApnsMetadata = Values<typeof apnsFields>;
export type CreateRequest = Values<typeof createFields>;
