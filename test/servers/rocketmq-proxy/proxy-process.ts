// The stand-in of RocketMQ's proxy as a process: its port, and a folder for what it keeps.
import { join } from "node:path";
import { RocketmqProxy } from "./proxy.ts";

const [port = "0", folder = "."] = process.argv.slice(2);
const proxy = new RocketmqProxy({ port: Number(port), file: join(folder, "messages.jsonl") });
await proxy.listen();
console.log("listening");
process.once("SIGTERM", () => process.exit(0));
