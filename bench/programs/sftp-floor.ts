// Prints what the raw driver does by itself: one file, written as fast as the server takes it. Argument: ORDER, in JSON.
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { Client, type SFTPWrapper } from "ssh2";
import type { SftpOrder } from "../load/sftp-floor.ts";
import { payloadPart } from "../load/upload.ts";

const { host, port, username, privateKey, mebibytes } = JSON.parse(
  process.argv[2] ?? "",
) as SftpOrder;
const client = new Client();
client.connect({ host, port, username, privateKey });
await once(client, "ready");
const sftp: SFTPWrapper = await promisify(client.sftp.bind(client))();
const parts = (mebibytes * 1024 * 1024) / payloadPart.length;
function* file(count: number): Generator<Buffer> {
  for (let part = 0; part < count; part++) yield payloadPart;
}
// Once for the compilers.
await pipeline(file(parts), sftp.createWriteStream("floor"));
const before = process.cpuUsage();
const began = performance.now();
await pipeline(file(parts), sftp.createWriteStream("floor"));
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ rate: mebibytes / seconds, cpu: (user + system) / mebibytes }));
client.end();
