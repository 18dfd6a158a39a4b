import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";

const launcher = resolve(import.meta.dirname, "../../bin/cufflink");

/** The status of `GET /v1.0/healthz` over a socket; `undefined` while nobody listens there. */
function health(socketPath: string): Promise<number | undefined> {
  return new Promise((done) => {
    const asked = request({ socketPath, path: "/v1.0/healthz" }, (response) => {
      response.resume();
      done(response.statusCode);
    });
    asked.on("error", () => done(undefined));
    asked.end();
  });
}

test("serves on Dapr's two sockets, and again after it was killed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-socket-"));
  const metricsPort = String(await reservePort());
  const flags = ["--app-id", "shop", "--unix-domain-socket", folder, "--metrics-port", metricsPort];
  try {
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const daemon = spawn(launcher, flags, { env: {}, stdio: ["ignore", "pipe", "ignore"] });
      let printed = "";
      daemon.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
      const exited = new Promise<number | null>((done) => daemon.once("exit", done));
      for (const name of ["http", "grpc"]) {
        const socket = join(folder, `dapr-shop-${name}.socket`);
        await until(async () => (await health(socket)) === 204, { what: `an answer on ${socket}` });
      }
      // Its start line names them, and nothing of ports.
      const line = printed.split("\n").find((one) => one.includes("listening on"));
      for (const name of ["http", "grpc"])
        expect(line).toContain(`${name}=${join(folder, `dapr-shop-${name}.socket`)}`);
      expect(line).not.toMatch(/=0 |--dapr-listen-addresses/);
      daemon.kill(signal);
      expect(await exited).toBe(signal === "SIGTERM" ? 0 : null);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
