import { defineBinding } from "../../binding.ts";
import { string } from "../../metadata/fields.ts";
import { notBuilt } from "../../not-built.ts";

const methodName = string({ description: "The method.", example: "echo" });
const destService = string({ description: "The name of the service.", example: "echo" });
const hostPorts = string({ description: "The service's address.", example: "127.0.0.1:8888" });
const version = string({ description: "The version of the service.", example: "1.0.0" });

/** Calls of CloudWeGo Kitex are Thrift in frames of its own. */
export default defineBinding(
  notBuilt({
    name: "kitex",
    summary: "Calls methods of CloudWeGo Kitex services. Known, and not built.",
    why: "no client for Node is kept that speaks Kitex's Thrift",
    metadata: {
      serviceName: string({ description: "The name of the caller.", example: "shop" }),
      methodName,
      destService,
      hostPorts,
      version,
    },
    operation: {
      name: "get",
      description: "Calls the method with a Thrift message.",
      request: { methodName, destService, hostPorts, version },
    },
  }),
);
