import { basename } from "node:path";
import { BindingError, messageOf } from "../../errors.ts";
import { HttpClient } from "../../http-client/client.ts";
import type { RequestHeaders } from "../../http-client/headers.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { readRegularFile } from "../../regular-file.ts";

/** A module, and the name that the guest is told as its own. */
export type Source = { readonly bytes: Uint8Array; readonly name: string };

/** A larger module is not read. */
const largest = 64 * 1024 * 1024;

/** Whether the module is in a file of this machine, which can be looked at without asking anybody. */
export function isFile(url: string): boolean {
  return url.startsWith("file:");
}

/** Reads the module from where the URL says. Rejects with a `BindingError` in Dapr's words. */
export async function readSource(
  url: string,
  memory: MemoryShare,
  signal: AbortSignal,
): Promise<Source> {
  checkUrl(url);
  return isFile(url) ? readFile(url) : download(url, memory, signal);
}

/** Throws a `BindingError` in Dapr's words for a URL that names nothing to read. */
export function checkUrl(url: string): void {
  const colon = url.indexOf(":");
  if (colon === -1) throw wrong(`invalid URL: ${url}`);
  const scheme = url.slice(0, colon);
  if (["file", "http", "https"].includes(scheme)) return;
  // As Dapr, which has not built it.
  throw wrong(scheme === "oci" ? "TODO oci" : `unsupported URL scheme: ${scheme}`);
}

export async function readFile(url: string): Promise<Source> {
  const path = url.slice("file://".length);
  try {
    return { bytes: await readRegularFile(path, { largest }), name: nameOf(path) };
  } catch (error) {
    throw wrong(`${path} ${messageOf(error)}`);
  }
}

async function download(url: string, memory: MemoryShare, signal: AbortSignal): Promise<Source> {
  await using client = HttpClient.open(await import("undici"), { url, memory, maxConnections: 1 });
  const headers: RequestHeaders = new Map();
  const request = { method: "GET", address: client.home, headers, body: undefined };
  const { status, body } = await client.send({ ...request, maxBody: largest }, signal);
  if (status !== 200)
    throw new BindingError(
      "unavailable",
      `${prefix}received ${status} status code from "${shown(url)}"`,
      {
        effect: "unsent",
        systemCode: String(status),
      },
    );
  return { bytes: body, name: nameOf(new URL(url).pathname) };
}

/** Without what may be a secret. */
function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function nameOf(path: string): string {
  return basename(path).replace(/\.wasm$/, "");
}

const prefix = "wasm: failed to parse metadata: ";

function wrong(why: string): BindingError {
  return new BindingError("invalid_argument", `${prefix}${why}`);
}
