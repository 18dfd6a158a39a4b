// Invokes an operation of a component: node main.ts COMPONENT OPERATION DATA
import { connect } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Dapr } from "./gen/dapr/proto/runtime/v1/dapr_pb.ts";

const [name = "", operation = "", data = ""] = process.argv.slice(2);
const { DAPR_GRPC_ENDPOINT = "", DAPR_GRPC_PORT = "50001" } = process.env;
const baseUrl = `http://127.0.0.1:${DAPR_GRPC_PORT}`;
const socket = /^unix:(.+)/.exec(DAPR_GRPC_ENDPOINT)?.[1];
const nodeOptions = socket === undefined ? {} : { createConnection: () => connect(socket) };
const options = { baseUrl, nodeOptions, defaultTimeoutMs: 10_000 };
const dapr = createClient(Dapr, createGrpcTransport(options));
const response = await dapr.invokeBinding({ name, operation, data: Buffer.from(data) });
console.log(Buffer.from(response.data).toString());
process.exit(); // The transport would keep its connection, and the process with it.
