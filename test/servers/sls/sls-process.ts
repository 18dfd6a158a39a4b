// A stand-in of Log Service as a process of its own: `sls-process.ts PORT FOLDER`.
import { join } from "node:path";
import { LogServiceStandIn } from "./service.ts";

const [port, folder = ""] = process.argv.slice(2);
await new LogServiceStandIn(join(folder, "journal.jsonl")).listen(Number(port));
