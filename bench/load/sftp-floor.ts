import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Sample } from "../rows/row.ts";

const run = promisify(execFile);

/** What the raw driver needs to send so many MiB. */
export type SftpOrder = {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly privateKey: string;
  readonly mebibytes: number;
};

/** Sends a file by the raw driver, in a process of its own. */
export async function runSftpFloor(order: SftpOrder): Promise<Sample> {
  const { host, port, username, privateKey, mebibytes } = order;
  const program = join(import.meta.dirname, "../programs/sftp-floor.ts");
  const text = JSON.stringify({ host, port, username, privateKey, mebibytes });
  const { stdout } = await run(process.execPath, [program, text]);
  return JSON.parse(stdout) as Sample;
}
