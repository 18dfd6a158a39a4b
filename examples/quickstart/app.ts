// The app of the quickstart. It serves Dapr's AppCallback over gRPC, as an app in any language would with
// code generated from the protos, and answers each event by invoking an output.
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http2";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import {
  AppCallback,
  type BindingEventRequest,
} from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";

const { APP_PORT = "7001", DAPR_HTTP_PORT = "3500", DAPR_GRPC_PORT = "50001" } = process.env;
const inbox = process.env["QUICKSTART_INBOX"] ?? "examples/quickstart/inbox";
const hook = process.env["QUICKSTART_HOOK"] ?? "http://127.0.0.1:8088/hook";
const grpc = `http://127.0.0.1:${DAPR_GRPC_PORT}`;

const cufflink = createClient(Dapr, createGrpcTransport({ baseUrl: grpc }));
const seen = new Set<string>();
let ticks = 0;

const server = createServer(
  connectNodeAdapter({
    routes(router) {
      router.service(AppCallback, {
        listInputBindings: () => ({ bindings: ["tick", "inbox", "hook"] }),
        onBindingEvent,
      });
    },
  }),
);
server.listen(Number(APP_PORT), "127.0.0.1", () => void tryBoth());

/** Throwing would mean "not handled": the event would come again. */
async function onBindingEvent({ name, data, metadata }: BindingEventRequest) {
  const text = Buffer.from(data).toString();
  let reply = "";
  if (name === "tick") {
    const done = await note("last-tick.txt", `tick ${++ticks} at ${new Date().toISOString()}\n`);
    say(`cron     tick ${ticks}  ->  ${done}`);
  } else if (name === "inbox") {
    const fileName = metadata["fileName"] ?? "unnamed";
    say(`file     ${fileName} (${data.length} bytes)  ->  ${await note(fileName, text)}`);
  } else {
    reply = `The app heard: ${text}\n`;
    say(
      `webhook  POST ${JSON.stringify(text)}  ->  ${await note("last-hook.txt", text)}, and replied`,
    );
  }
  tellWhatIsNext(name);
  return { data: Buffer.from(reply) };
}

/** The other direction: the app invokes an output. */
async function note(fileName: string, text: string): Promise<string> {
  const data = Buffer.from(text);
  await cufflink.invokeBinding({
    name: "notes",
    operation: "create",
    data,
    metadata: { fileName },
  });
  return `wrote notes/${fileName}`;
}

/** Does once what a newcomer would do next: drops a file, posts to the webhook. */
async function tryBoth(): Promise<void> {
  await writeFile(join(inbox, "hello.txt"), "Hello from a file.\n");
  for (;;) {
    const response = await fetch(hook, { method: "POST", body: "Hello from curl." }).catch(
      () => undefined,
    );
    if (response?.ok) return say(`caller   got ${JSON.stringify(await response.text())}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function tellWhatIsNext(name: string): void {
  if (seen.size === 3 || seen.add(name).size < 3) return;
  const request = JSON.stringify({
    name: "notes",
    operation: "get",
    metadata: { fileName: "hello.txt" },
  });
  const method = "dapr.proto.runtime.v1.Dapr/InvokeBinding";
  say(`
Both directions work. Try, in another terminal:

  echo 'Hi there.' > ${inbox}/hi.txt
  curl ${hook} -d 'Hi there.'
  curl http://127.0.0.1:${DAPR_HTTP_PORT}/v1.0/bindings/notes -d '{"operation":"list"}'
  curl http://127.0.0.1:${DAPR_HTTP_PORT}/v1.0/bindings/notes -d '{"operation":"get","metadata":{"fileName":"hello.txt"}}'
  npx buf curl --protocol grpc --http2-prior-knowledge -d '${request}' ${grpc}/${method}
  grpcurl -plaintext -d '${request}' 127.0.0.1:${DAPR_GRPC_PORT} ${method}
  bin/cufflink components --address 127.0.0.1:${DAPR_GRPC_PORT}

Ctrl-C ends it.
`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
