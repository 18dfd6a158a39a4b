import { bool, duration, string } from "../../metadata/fields.ts";

/** The metadata that both types have in common. */
export const gatewayFields = {
  gatewayAddr: string({
    description: "The gateway: `host:port`. `https://` in front of it means TLS.",
    required: true,
    example: "zeebe.internal:26500",
  }),
  gatewayKeepAlive: duration({
    description: "How often the gateway is asked for a sign of life while there are calls.",
    default: "45s",
  }),
  usePlainTextConnection: bool({
    description: "Speaks no TLS.",
    default: "false",
  }),
  caCertificatePath: string({
    description:
      "A file with the certificates of the authorities to trust in place of the system's, in PEM, or these themselves.",
    example: "/certificates/ca.pem",
  }),
  clientId: string({
    description:
      "The client that asks the OAuth server for tokens. It goes with `clientSecret`, `authorizationServerUrl` and `tokenAudience`.",
    example: "orders",
  }),
  clientSecret: string({ description: "The secret of that client.", sensitive: true }),
  authorizationServerUrl: string({
    description: "The OAuth server's address for tokens.",
    example: "https://login.cloud.camunda.io/oauth/token",
  }),
  tokenAudience: string({
    description: "The audience of the tokens.",
    example: "zeebe.camunda.io",
  }),
  tokenScope: string({
    description: "The scope of the tokens.",
    example: "read write",
  }),
  clientConfigPath: string({
    description:
      "A file where tokens are kept from one start to the next, in the form of Zeebe's own clients. Default: none.",
    example: "/var/lib/shop/zeebe-credentials.yaml",
  }),
} as const;
