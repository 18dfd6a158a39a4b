import { spawn } from "node:child_process";
import { join } from "node:path";
import { releasePort, reservePort } from "../../test/servers/ports.ts";
import { endWithUs } from "../children.ts";

const startLimit = 10_000;
const program = join(import.meta.dirname, "../programs/clouds.ts");

/** What has been done there so far. */
export type Done = {
  readonly puts: number;
  readonly gets: number;
  /** That S3 was sent. */
  readonly bytes: number;
  /** Messages that SQS was sent for the queue `out`. */
  readonly sent: number;
};

/** The stand-in for SQS, S3, Azure's queues (account `account`) and Pub/Sub. */
export type Clouds = AsyncDisposable & {
  /** Of all but Pub/Sub. */
  readonly url: string;
  /** Of Pub/Sub, `host:port`. */
  readonly pubsub: string;
  done(): Promise<Done>;
  /** Stores messages of 1 KiB each, one behind the other. */
  fill(queue: string, payloads: Buffer): Promise<void>;
  /** How many messages of a queue, or subscription, are not deleted. */
  size(queue: string): Promise<number>;
};

export async function startClouds(): Promise<Clouds> {
  const ports = [await reservePort(), await reservePort()] as const;
  const child = endWithUs(
    spawn(process.execPath, [program, ...ports.map(String)], {
      stdio: ["ignore", "ignore", "pipe"],
    }),
  );
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const url = `http://127.0.0.1:${ports[0]}`;
  const ask = async (path: string, body?: Buffer): Promise<string> => {
    const method = body === undefined ? "GET" : "POST";
    const answer = await fetch(`${url}${path}`, { method, ...(body && { body }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`the stand-in answers ${answer.status}: ${text}`);
    return text;
  };
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    for (const port of ports) await releasePort(port);
  };
  const began = performance.now();
  while (!(await ask("/done").catch(() => undefined))) {
    if (child.exitCode !== null || performance.now() - began > startLimit) {
      await end();
      throw new Error(`the stand-in for the clouds does not serve:\n${errors}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    url,
    pubsub: `127.0.0.1:${ports[1]}`,
    done: async () => JSON.parse(await ask("/done")) as Done,
    fill: async (queue, payloads) => void (await ask(`/fill/${queue}`, payloads)),
    size: async (queue) => Number(await ask(`/size/${queue}`)),
    [Symbol.asyncDispose]: end,
  };
}
