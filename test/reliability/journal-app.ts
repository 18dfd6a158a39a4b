// The app of a scenario, in a process of its own so that it can be killed: serves AppCallback over gRPC and appends
// each event to a file before it answers, as one JSON line. Its only argument is an `AppOrder` as JSON.
import { appendFileSync, readFileSync } from "node:fs";
import { createServer } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import type { AppOrder, Delivery } from "./app.ts";
import { readEvent } from "./events.ts";

const order = JSON.parse(process.argv[2] ?? "") as AppOrder;
const { port, file, bindings, refuseOnce = [], poisonEvery, subscriptionAfter = 0 } = order;
const began = Date.now();
// What an earlier process of this app refused once is not refused again.
const refused = new Set(earlierRefusals());

createServer(
  connectNodeAdapter({
    routes: (router) => {
      router.service(AppCallback, {
        async listInputBindings() {
          const early = began + subscriptionAfter - Date.now();
          if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
          return { bindings: [...bindings] };
        },
        onBindingEvent({ data }, { requestHeader }) {
          const event = readEvent(data);
          const poison =
            poisonEvery !== undefined && event.number % poisonEvery === poisonEvery - 1;
          const once = refuseOnce.includes(event.number) && !refused.has(event.number);
          if (once) refused.add(event.number);
          const attempt = Number(requestHeader.get("cufflink-attempt") ?? 0);
          const verdict = poison || once ? "refused" : "handled";
          const delivery: Delivery = { ...event, at: Date.now(), verdict, attempt };
          appendFileSync(file, `${JSON.stringify(delivery)}\n`);
          if (verdict === "refused") throw new ConnectError("the app refuses it", Code.Aborted);
          return {};
        },
      });
    },
  }),
).listen(port, "127.0.0.1", () => process.stdout.write("listening\n"));

function earlierRefusals(): number[] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Delivery)
      .filter(({ verdict }) => verdict === "refused")
      .map(({ number }) => number);
  } catch {
    return [];
  }
}
