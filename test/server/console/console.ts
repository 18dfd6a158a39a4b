import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import { DeadLetterManager } from "../../../src/runtime/records/dead-letters.ts";
import type { RuntimeLogger } from "../../../src/runtime/runtime-logger.ts";
import { ConsoleAssets } from "../../../src/server/console/assets.ts";
import {
  createConsoleServer,
  type ConsoleServer,
  type ConsoleServerOptions,
} from "../../../src/server/console/console-server.ts";
import { FakeOperator } from "../../rpc/fake-operator.ts";
import { FakeDeadLetterStore } from "../../runtime/stored-dead-letters.ts";
import { serve, type HttpAnswer, type Served } from "../serve.ts";

export const tokens = { full: "the-token-of-the-console", readOnly: "the-token-to-look-only" };

const logger: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

/** A folder with a page as the build writes it. */
function pageFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "cufflink-console-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "assets"));
  const script = Buffer.from(`console.log("${"x".repeat(1000)}")`);
  writeFileSync(join(folder, "index.html"), "<!doctype html>the page");
  writeFileSync(join(folder, "assets/main-1a2b.js"), script);
  writeFileSync(join(folder, "assets/main-1a2b.js.br"), brotliCompressSync(script));
  writeFileSync(join(folder, "assets/main-1a2b.js.gz"), gzipSync(script));
  writeFileSync(join(folder, "secret.txt"), "not listed");
  const files = {
    "/": { file: "index.html", type: "text/html; charset=utf-8", immutable: false, encodings: {} },
    "/assets/main-1a2b.js": {
      ...{ file: "assets/main-1a2b.js", type: "text/javascript; charset=utf-8", immutable: true },
      encodings: {
        br: { file: "assets/main-1a2b.js.br" },
        gzip: { file: "assets/main-1a2b.js.gz" },
      },
    },
  };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify({ files }));
  return folder;
}

/** A daemon with an operator who notes what he is asked. */
export async function daemon(): Promise<{ served: Served; operator: FakeOperator }> {
  const operator = new FakeOperator();
  const deadLetters = new DeadLetterManager({
    ...{ store: new FakeDeadLetterStore(), logger },
    redrive: () => Promise.reject(new Error("no test needs it")),
    invoke: () => Promise.reject(new Error("no test needs it")),
  });
  const served = await serve({ operations: { operator, deadLetters, reload: operator.reload } });
  onTestFinished(() => served[Symbol.asyncDispose]());
  return { served, operator };
}

/** A console of one such daemon, or of what is said. */
export async function consoleOf(options: Partial<ConsoleServerOptions> = {}): Promise<{
  console: ConsoleServer;
  served: Served;
  operator: FakeOperator;
  ask: (path: string, asked?: Asked) => Promise<HttpAnswer>;
}> {
  const { served, operator } = await daemon();
  const console = await createConsoleServer({
    address: { host: "127.0.0.1", port: 0 },
    ...{ tokens, version: "1.2.3", assets: await ConsoleAssets.load([pageFolder()]) },
    daemons: [{ name: "shop", services: () => served.server.services() }],
    ...options,
  });
  onTestFinished(() => console.close(0));
  return { console, served, operator, ask: (path, asked) => ask(console.port, path, asked) };
}

export type Asked = {
  readonly method?: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
};

/** One request; a body makes it a call of an RPC in JSON, unless its headers say otherwise. */
export function ask(port: number, path: string, asked: Asked = {}): Promise<HttpAnswer> {
  const { body, token, method = body === undefined ? "GET" : "POST" } = asked;
  const headers = {
    ...(body !== undefined && { "content-type": "application/json" }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...asked.headers,
  };
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
    sent.once("error", reject);
    sent.once("response", (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.once("end", () => {
        const whole = Buffer.concat(parts);
        resolve({
          ...{ status: response.statusCode ?? 0, headers: response.headers },
          ...{ raw: response.rawHeaders, body: whole, text: whole.toString() },
        });
      });
      response.once("error", reject);
    });
    sent.end(body);
  });
}
