import { string, type Values } from "../../../metadata/fields.ts";

export const gremlinFields = {
  url: string({
    description: "The server's URL, with `wss://`, or `ws://` without TLS.",
    required: true,
    example: "wss://shop.gremlin.cosmos.azure.com:443/",
  }),
  masterKey: string({
    description: "The account's key.",
    required: true,
    sensitive: true,
  }),
  username: string({
    description: "The graph: `/dbs/DATABASE/colls/GRAPH`.",
    required: true,
    example: "/dbs/shop/colls/orders",
  }),
  caCert: string({
    description:
      "The certificates of the authorities to trust in place of the system's, in PEM, or a file of them.",
  }),
} as const;

export type GremlinMetadata = Values<typeof gremlinFields>;
