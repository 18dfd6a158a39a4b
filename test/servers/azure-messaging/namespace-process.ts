import { join } from "node:path";
import { AzureNamespace } from "./server.ts";

const [, , port = "0", folder = ".", lockDuration = "60000"] = process.argv;
const namespace = await AzureNamespace.start({
  port: Number(port),
  journal: join(folder, "journal.jsonl"),
  lockDuration: Number(lockDuration),
  maxDeliveryCount: 2 ** 31,
});
process.on("SIGTERM", () => void namespace[Symbol.asyncDispose]().then(() => process.exit(0)));
