// Invokes an operation of a component: node main.ts COMPONENT OPERATION DATA
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Dapr } from "./gen/dapr/proto/runtime/v1/dapr_pb.ts";

const [name = "", operation = "", data = ""] = process.argv.slice(2);
const baseUrl = `http://127.0.0.1:${process.env["DAPR_GRPC_PORT"] ?? "50001"}`;
const dapr = createClient(Dapr, createGrpcTransport({ baseUrl, defaultTimeoutMs: 10_000 }));
const response = await dapr.invokeBinding({ name, operation, data: Buffer.from(data) });
console.log(Buffer.from(response.data).toString());
process.exit(); // The transport would keep its connection, and the process with it.
