import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { releasePort, reservePort } from "../../test/servers/ports.ts";
import { endWithUs } from "../children.ts";
import { Missing } from "../missing.ts";
import { plainPayload } from "../wire/payload.ts";

const startLimit = 10_000;

/** An nginx of one worker that serves one file of 1 KiB. */
export type Nginx = AsyncDisposable & {
  readonly url: string;
  /** How many requests it has answered, this one left out. */
  requests(): Promise<number>;
};

/** Starts one with its own port, and all its files below the folder. */
export async function startNginx(below: string): Promise<Nginx> {
  const program = ["nginx", "/usr/sbin/nginx"].find((each) => spawnSync(each, ["-v"]).status === 0);
  if (program === undefined) throw new Missing("nginx is not installed");
  const folder = await mkdtemp(join(below, "nginx-"));
  const port = await reservePort();
  await mkdir(join(folder, "files"));
  await writeFile(join(folder, "files/file"), plainPayload);
  await writeFile(join(folder, "nginx.conf"), configuration(folder, port));
  const flags = ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")];
  const child = endWithUs(spawn(program, flags, { stdio: ["ignore", "ignore", "pipe"] }));
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const url = `http://127.0.0.1:${port}/file`;
  const end = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
    await releasePort(port);
  };
  const began = performance.now();
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) break;
    if (child.exitCode !== null || performance.now() - began > startLimit) {
      await end();
      throw new Error(`nginx does not serve (${answer?.status ?? "no answer"}):\n${errors}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  let own = 0;
  return {
    url,
    async requests() {
      const answer = await fetch(`http://127.0.0.1:${port}/status`);
      const [, handled] = /\n \d+ \d+ (\d+)/.exec(await answer.text()) ?? [];
      return Number(handled) - ++own;
    },
    [Symbol.asyncDispose]: end,
  };
}

function configuration(folder: string, port: number): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `  ${name}_temp_path ${folder}/${name};`,
  );
  // As root it would give that up for a user that may not read the folder.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  return `daemon off;
master_process off;
${user}
pid ${folder}/nginx.pid;
events { worker_connections 1024; }
http {
${paths.join("\n")}
  access_log off;
  keepalive_requests 100000000;
  sendfile on;
  tcp_nodelay on;
  open_file_cache max=10;
  server {
    listen 127.0.0.1:${port};
    root ${folder}/files;
    location = /status { stub_status; }
  }
}
`;
}
