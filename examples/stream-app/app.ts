// An app without a port: it dials the runtime, gets its events on a stream and invokes an output.
// In a project of your own: import { … } from "cufflink/app";
//
//   bin/cufflink run --app-id stream-app --resources-path examples/stream-app/components -- node examples/stream-app/app.ts
import { createApp, Drop, Retry } from "../../src/sdk/index.ts";

// Dials 127.0.0.1:$DAPR_GRPC_PORT, which `cufflink run` sets.
const app = createApp({ concurrency: 16 });

app.on("tick", async (event) => {
  const time = event.metadata["readTimeUTC"] ?? new Date().toISOString();
  await app.invoke("notes", "create", {
    data: `The time is ${time}, attempt ${event.attempt}.\n`,
    metadata: { fileName: "tick.txt" },
  });
  say(`tick, attempt ${event.attempt}: wrote notes/tick.txt`);
});

app.on("hook", (event) => {
  // What is thrown says what becomes of the event; what is returned is the answer to the caller.
  if (event.text() === "busy") throw new Retry("busy", { after: 1000 });
  if (event.text() === "spam") throw new Drop("spam");
  say(`hook: ${JSON.stringify(event.text())}`);
  return { data: `Heard: ${event.text()}\n` };
});

await app.start();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void app.close());

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
