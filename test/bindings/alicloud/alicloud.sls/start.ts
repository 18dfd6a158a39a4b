import { onTestFinished } from "vitest";
import { LogServiceStandIn } from "../../../servers/sls/service.ts";
import { account } from "./client.ts";
import { quick } from "./contract-source.ts";

/** A stand-in of the test's own, with one Logstore `orders`. */
export async function startLogService(shards = 2) {
  const server = await new LogServiceStandIn().listen();
  onTestFinished(() => server[Symbol.asyncDispose]());
  server.create("orders", shards);
  const output = { ...account, endpoint: server.url, logstore: "orders" };
  return { server, output, input: { ...output, ...quick, dataKey: "content" } };
}
