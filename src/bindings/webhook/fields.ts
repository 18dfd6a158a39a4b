import { byteSize, duration, list, oneOf, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";
import { address, path } from "../../metadata/listener-fields.ts";

/** What a webhook component's metadata can say. */
export const webhookFields = {
  address: address({
    description:
      "The address to listen on, as `host:port`. A port alone is on the loopback address; `:8080` and `0.0.0.0:8080` are on every interface. Components with the same address share the port and have different paths.",
    required: true,
    example: "0.0.0.0:8080",
  }),
  path: path({
    description: "The path of the requests. Default: `/` and the component's name.",
    example: "/hooks/orders",
  }),
  methods: list({
    description: "The accepted HTTP methods, separated by commas. Others are answered 405.",
    default: "POST",
    example: "GET,POST",
  }),
  verification: oneOf(["none", "twilio", "github", "stripe", "hmac"], {
    description:
      "How the sender of a request is verified. `none` accepts every request that reaches the port.",
    default: "none",
  }),
  secret: string({
    description:
      "The secret of the signature: Twilio's auth token, the secret of GitHub's webhook, Stripe's signing secret (`whsec_…`), or the key of a plain HMAC.",
    sensitive: true,
  }),
  secondarySecret: string({
    description: "A second accepted secret, for rotation.",
    sensitive: true,
  }),
  publicUrl: string({
    description:
      "The URL of this path as configured at the sender, without its query. Twilio signs it, so `twilio` needs it.",
    example: "https://example.org/hooks/sms",
  }),
  signatureHeader: string({
    description: "`hmac`: the header with the signature of the body.",
    default: "X-Signature",
  }),
  signatureAlgorithm: oneOf(["sha256", "sha1", "sha512"], {
    description: "`hmac`: the hash.",
    default: "sha256",
  }),
  signatureEncoding: oneOf(["hex", "base64"], {
    description: "`hmac`: the encoding of the signature.",
    default: "hex",
  }),
  signaturePrefix: string({
    description: "`hmac`: the prefix of the signature in its header.",
    default: "",
    example: "sha256=",
  }),
  timestampTolerance: duration({
    description:
      "`stripe`: the allowed difference between the signed time and now, against replays.",
    default: "5m",
    positive: true,
  }),
  idHeader: string({
    description:
      "The header with the id of an event. Unset: GitHub's delivery, Twilio's idempotency token or message, Stripe's event; else a random id.",
    example: "Webhook-Id",
  }),
  responseTimeout: duration({
    description:
      "Maximum time to wait for the app, from the end of the request; then the sender gets 503. Twilio waits 15 s, GitHub 10 s.",
    default: "15s",
    positive: true,
  }),
  maxBodySize: byteSize({
    description: "Maximum size of a body. A larger one is answered 413.",
    default: "4Mi",
  }),
  responseContentType: string({
    description:
      "The content type of the app's replies. Unset: that of the reply; without one, `text/xml` for Twilio, else `application/octet-stream`.",
    example: "application/json",
  }),
} as const;

export type WebhookMetadata = Values<typeof webhookFields>;
