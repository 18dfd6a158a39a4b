import { oneOf } from "../../metadata/fields.ts";

/** How AMQP reaches the namespace. */
export const transportField = {
  transport: oneOf(["tcp", "websockets"], {
    description:
      "`websockets`: AMQP over WebSockets at port 443, where a firewall or a proxy allows no port 5671. Dapr has no such field.",
    default: "tcp",
  }),
} as const;
