// The app of the quickstart. It answers each event by invoking an output. `bindings.ts` was generated from the files in
// `components`: a misspelt component, operation or metadata does not compile.
//
//   bin/cufflink generate ts --resources examples/quickstart/components --library ../../src/sdk/index.ts \
//     --out examples/quickstart/bindings.ts
//
// In a project of your own, `--library` is left out and createApp comes from "cufflink/app".
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createApp } from "../../src/sdk/index.ts";
import { bindingsOf } from "./bindings.ts";

const { DAPR_HTTP_PORT = "3500", DAPR_GRPC_PORT = "50001" } = process.env;
const inboxFolder = process.env["QUICKSTART_INBOX"] ?? "examples/quickstart/inbox";
const hookAddress = process.env["QUICKSTART_HOOK"] ?? "http://127.0.0.1:8088/hook";
const grpc = `http://127.0.0.1:${DAPR_GRPC_PORT}`;

const app = createApp();
const { tick, inbox, hook, notes } = bindingsOf(app);
const seen = new Set<string>();
let ticks = 0;

// An error thrown would mean "not handled": the event would come again.
tick.on(async ({ name }) => {
  const done = await note("last-tick.txt", `tick ${++ticks} at ${new Date().toISOString()}\n`);
  say(`cron     tick ${ticks}  ->  ${done}`);
  tellWhatIsNext(name);
});

inbox.on(async (event) => {
  const { fileName = "unnamed", size } = event.metadata;
  say(`file     ${fileName} (${size} bytes)  ->  ${await note(fileName, event.text())}`);
  tellWhatIsNext(event.name);
});

hook.on(async (event) => {
  const text = event.text();
  const done = await note("last-hook.txt", text);
  say(`webhook  POST ${JSON.stringify(text)}  ->  ${done}, and replied`);
  tellWhatIsNext(event.name);
  return { data: `The app heard: ${text}\n` };
});

// Listens on $APP_PORT, where the runtime calls it. `app.start()` would dial the runtime instead, without a port.
await app.serve();
void tryBoth();

/** The other direction: the app invokes an output. */
async function note(fileName: string, text: string): Promise<string> {
  await notes.create({ data: text, metadata: { fileName } });
  return `wrote notes/${fileName}`;
}

/** Does once what a newcomer would do next: drops a file, posts to the webhook. */
async function tryBoth(): Promise<void> {
  await writeFile(join(inboxFolder, "hello.txt"), "Hello from a file.\n");
  for (;;) {
    const response = await fetch(hookAddress, { method: "POST", body: "Hello from curl." }).catch(
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

  echo 'Hi there.' > ${inboxFolder}/hi.txt
  curl ${hookAddress} -d 'Hi there.'
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
