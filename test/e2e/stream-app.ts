// An app of cufflink/app in a process of its own, so that it can be killed. It appends what becomes of each
// event to a file, and says so only afterwards: `accepted|failed KEY NUMBER ATTEMPT APP`. One event in seven fails
// at random. Arguments: `dial` or `serve`, the port, the file, the binding, the app's name.
import { appendFileSync } from "node:fs";
import { createApp } from "../../src/sdk/index.ts";

const [how = "dial", port = "0", file = "", binding = "", name = ""] = process.argv.slice(2);
const app = createApp({ runtime: `127.0.0.1:${how === "dial" ? port : 1}`, log: () => undefined });

app.on(binding, async (event) => {
  // Only a stream tells the identity of an event.
  if (event.id === "") throw new Error("this event came by a unary call");
  const line = `${event.text()} ${event.attempt} ${name}\n`;
  // Some take longer than others, as they do.
  if (Math.random() < 0.3) await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
  if (Math.random() < 1 / 7) {
    appendFileSync(file, `failed ${line}`);
    throw new Error("at random");
  }
  appendFileSync(file, `accepted ${line}`);
});

await (how === "dial" ? app.start() : app.serve({ port: Number(port) }));
process.once("SIGTERM", () => void app.close());
process.stdout.write("started\n");
