import type * as Nats from "@nats-io/transport-node";

/** What is used of the driver. */
export type Driver = Pick<
  typeof Nats,
  | "connect"
  | "headers"
  | "createInbox"
  | "jwtAuthenticator"
  | "nkeyAuthenticator"
  | "credsAuthenticator"
>;
