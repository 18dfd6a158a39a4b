import { grpcStandIn } from "./grpc-stand-in.ts";

/** Our own stand-in of KubeMQ, written from its published definition and documentation. */
export const kubemq = grpcStandIn(
  "the stand-in of KubeMQ",
  "KUBEMQ_URL",
  "kubemq/kubemq-process.ts",
);
