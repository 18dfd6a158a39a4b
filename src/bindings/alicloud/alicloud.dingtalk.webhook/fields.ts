import { byteSize, duration, string } from "../../../metadata/fields.ts";
import type { Values } from "../../../metadata/fields.ts";
import { address, path } from "../../../metadata/listener-fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";

export const dingtalkFields = {
  id: string({
    description: "A name for the robot. It stands in errors of `get`.",
    required: true,
    example: "shop-alerts",
  }),
  url: string({
    description: "The webhook's URL, with its access token. Messages of `create` are posted to it.",
    required: true,
    sensitive: true,
    example: "https://oapi.dingtalk.com/robot/send?access_token=…",
  }),
  secret: string({
    description:
      "The secret (`SEC…`) of a robot whose security setting is the signature. Unset: messages are not signed.",
    sensitive: true,
  }),
  address: address({
    description:
      "The address to listen on for the robot's outgoing messages, as `host:port`; `:8080` and `0.0.0.0:8080` are on every interface. Unset: the app gets what `get` is invoked with, and nothing else.",
    direction: "input",
    example: "0.0.0.0:8080",
  }),
  path: path({
    description: "The path of the outgoing messages. Default: `/` and the component's name.",
    direction: "input",
    example: "/dingtalk",
  }),
  appSecret: string({
    description:
      "The secret that DingTalk signs outgoing messages with: that of the app which the robot belongs to. Unset: `secret`.",
    direction: "input",
    sensitive: true,
  }),
  timestampTolerance: duration({
    description:
      "The allowed difference between the signed time of an outgoing message and now. DingTalk advises one hour.",
    direction: "input",
    default: "1h",
    positive: true,
  }),
  responseTimeout: duration({
    description:
      "Maximum time to wait for the app, from the end of the request; then the sender gets 503.",
    direction: "input",
    default: "15s",
    positive: true,
  }),
  maxBodySize: byteSize({
    description: "Maximum size of an outgoing message. A larger one is answered 413.",
    direction: "input",
    default: "4Mi",
  }),
  ...caCertField,
} as const;

export type DingtalkMetadata = Values<typeof dingtalkFields>;
