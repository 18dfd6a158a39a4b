import { readdir, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answers } from "./answers.ts";
import type { Address } from "./kind.ts";
import { kindOf, kinds } from "./kinds.ts";
import type { ServerName } from "./kinds.ts";
import type { Missing } from "./missing-servers.ts";
import { isAlive } from "./ports.ts";
import { startServer } from "./start-server.ts";

/** What a test file is told about a server it asked for. */
export type Answer<Value> = { readonly found: Value } | { readonly missing: string };

/** Holds the servers that all test files of one run share. Lives in the process that starts the workers. */
export interface SharedServers extends AsyncDisposable {
  /** Where the workers ask, on 127.0.0.1. */
  readonly port: number;
  readonly missing: readonly Missing[];
}

/** Begins to answer the workers' questions. A server is started when the first file asks for it. */
export async function shareServers(): Promise<SharedServers> {
  await removeLeftFolders();
  const opened: AsyncDisposable[] = [];
  const shared = new Map<string, Promise<Answer<Address>>>();
  const installed = new Map<string, Promise<Answer<true>>>();
  const missing = new Map<
    string,
    { name: ServerName; own: boolean; reason: string; files: Set<string> }
  >();

  function once<T>(map: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
    const made = map.get(name) ?? make();
    map.set(name, made);
    return made;
  }

  async function share(name: ServerName): Promise<Answer<Address>> {
    const given = await fromEnvironment(name);
    if (given !== undefined) return { found: given };
    const ready = await once(installed, name, () => ensureInstalled(name));
    if ("missing" in ready) return ready;
    const server = await startServer(name);
    opened.push(server);
    return { found: { host: server.host, port: server.port, url: server.url } };
  }

  async function reply(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(asked.url ?? "/", "http://servers");
    const [, what, name] = pathname.split("/");
    if (name === undefined || !isServerName(name)) throw new Error(`no server ${pathname}`);
    const answer =
      what === "shared"
        ? await once(shared, name, () => share(name))
        : await once(installed, name, () => ensureInstalled(name));
    if ("missing" in answer) {
      const own = what !== "shared";
      const key = `${name} ${own}`;
      const entry = missing.get(key) ?? { name, own, reason: answer.missing, files: new Set() };
      entry.files.add(searchParams.get("file") ?? "");
      missing.set(key, entry);
    }
    response.end(JSON.stringify(answer));
  }

  const server = createServer((asked, response) => {
    reply(asked, response).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(error instanceof Error ? error.message : String(error));
    });
  });
  // An answer may have to wait for an installation.
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));

  return {
    port: (server.address() as AddressInfo).port,
    get missing() {
      return [...missing.values()];
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await Promise.allSettled([...shared.values(), ...installed.values()]);
      await Promise.all(opened.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

/** Asks the process that holds the shared servers for one, or (`installed`) whether an own one can be started. */
export function ask(
  port: number,
  what: "shared" | "installed",
  name: ServerName,
  file: string,
): Promise<Answer<Address>> {
  const path = `/${what}/${name}?file=${encodeURIComponent(file)}`;
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(JSON.parse(text) as Answer<Address>);
        else reject(new Error(text));
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}

async function ensureInstalled(name: ServerName): Promise<Answer<true>> {
  const kind = kindOf(name);
  try {
    if (!kind.isInstalled()) await kind.install();
    return { found: true };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

/** The server that the environment names. One that is named and does not answer is a mistake, not a missing server. */
async function fromEnvironment(name: ServerName): Promise<Address | undefined> {
  const kind = kindOf(name);
  const value = process.env[kind.variable];
  if (value === undefined || value === "") return undefined;
  const address = kind.parse(value);
  const deadline = performance.now() + 5_000;
  while (!(await answers(address, kind.greeting, 2_000))) {
    if (performance.now() > deadline) {
      throw new Error(
        `${kind.variable} is set, and no ${kind.title} answers at ${address.host}:${address.port}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { ...address, url: value };
}

/** Removes what a run left behind that was killed. */
async function removeLeftFolders(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = /^cufflink-server-(\d+)-/.exec(name)?.[1];
    if (owner === undefined || isAlive(Number(owner))) continue;
    await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isServerName(name: string): name is ServerName {
  return Object.hasOwn(kinds, name);
}
