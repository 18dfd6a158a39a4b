// An app in a process of its own, so that it can be killed: serves AppCallback over gRPC, appends what
// it accepted to a file and says so only afterwards. Arguments: port, file, bindings, behaviour:
// `refuse:TEXT:TIMES` refuses an event so often, `hang:TEXT` never answers it (no TEXT: one without data).
import { appendFileSync } from "node:fs";
import { createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Code, ConnectError } from "@connectrpc/connect";
import { AppCallback } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";

const [port = "0", file = "", bindings = "", behaviour = ""] = process.argv.slice(2);
const refuse = /^refuse:(.+):(\d+)$/.exec(behaviour);
const hang = /^hang:(.*)$/.exec(behaviour);
const refusals = new Map<string, number>();

const adapter = connectNodeAdapter({
  routes: (router) => {
    router.service(AppCallback, {
      listInputBindings: () => ({ bindings: bindings.split(",") }),
      async onBindingEvent({ name, data }, context) {
        const text = Buffer.from(data).toString("utf8");
        const attempt = context.requestHeader.get("cufflink-attempt") ?? "";
        if (refuse?.[1] === text) {
          const so = (refusals.get(text) ?? 0) + 1;
          refusals.set(text, so);
          if (so <= Number(refuse[2])) {
            appendFileSync(file, `refused ${name} ${text} ${attempt}\n`);
            throw new ConnectError("not yet", Code.Aborted);
          }
        }
        if (hang?.[1] === text) {
          appendFileSync(file, `received ${name} ${text} ${attempt}\n`);
          await new Promise(() => undefined);
        }
        appendFileSync(file, `accepted ${name} ${text} ${attempt}\n`);
        return {};
      },
    });
  },
});
createServer(adapter).listen(Number(port), "127.0.0.1", () => process.stdout.write("listening\n"));
