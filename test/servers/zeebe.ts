import { grpcStandIn } from "./grpc-stand-in.ts";

/** Our own stand-in of Zeebe's gateway, written from its published protocol and the engine's documentation. */
export const zeebe = grpcStandIn(
  "the stand-in of Zeebe's gateway",
  "ZEEBE_URL",
  "zeebe/gateway-process.ts",
);
