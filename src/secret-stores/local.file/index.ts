import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import { bool, string } from "../../metadata/fields.ts";
import { readNames, readRegularFile, statOf, UnreadableFile } from "../../regular-file.ts";
import { defineSecretStore } from "../../secret-store.ts";

/** Secrets of a JSON file, or of a folder as Kubernetes mounts them. */
export default defineSecretStore({
  name: "local.file",
  status: "stable",
  summary: "Reads secrets from a JSON file, or from a folder of mounted Kubernetes secrets.",

  metadata: {
    secretsFile: string({
      description:
        "A JSON file, or a folder of mounted Kubernetes secrets. Each file in the folder is a secret, or each subfolder, with its files as keys.",
      required: true,
      example: "/etc/secrets",
    }),
    nestedSeparator: string({
      description: "The separator between the names of nested objects of the file.",
      default: ":",
    }),
    multiValued: bool({
      description: "Each top-level object of the file is one secret with several keys.",
      default: "false",
    }),
  },

  open: ({ metadata: { secretsFile, nestedSeparator, multiValued } }) => ({
    async read(name) {
      const found = await statOf(secretsFile).catch((thrown: unknown) =>
        refuse(secretsFile, thrown),
      );
      if (found.isDirectory()) return readFromFolder(secretsFile, name);
      const object = await readObject(secretsFile);
      return fromObject(object, name, nestedSeparator || ":", multiValued);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
});

/** Why a file or folder of secrets cannot be read. */
function refuse(path: string, thrown: unknown): never {
  throw new Error(`the secrets file ${path} ${messageOf(thrown)}`, { cause: thrown });
}

/** A larger file is no collection of secrets, and no secret of several keys has more together. */
const largestFile = 4 * 1024 * 1024;

async function readObject(path: string): Promise<Record<string, unknown>> {
  const text = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text, exactNumber);
  } catch (thrown) {
    // The parser's message quotes the file; only the place is taken from it.
    const place = /line (\d+) column (\d+)/.exec(String(thrown));
    const where = place ? `:${place[1]}:${place[2]}` : "";
    // oxlint-disable-next-line preserve-caught-error -- its message may hold a secret
    throw new Error(`the secrets file ${path}${where} is not valid JSON`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`the secrets file ${path} holds no JSON object`);
  }
  return value as Record<string, unknown>;
}

/** Keeps a number's own digits, which a JavaScript number may lose. */
function exactNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === "number" ? (context?.source ?? String(value)) : value;
}

async function readText(path: string, place = path): Promise<string> {
  const bytes = await readRegularFile(path, { largest: largestFile, place }).catch(
    (thrown: unknown) => refuse(path, thrown),
  );
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw new Error(`the secrets file ${path} is not UTF-8 text`, { cause: thrown });
  }
}

function fromObject(
  object: Record<string, unknown>,
  name: string,
  separator: string,
  multiValued: boolean,
): ReadonlyMap<string, string> | undefined {
  if (!multiValued) {
    const value = flatten(object, separator).get(name);
    return value === undefined ? undefined : new Map([[name, value]]);
  }
  const secret = Object.hasOwn(object, name) ? object[name] : undefined;
  if (typeof secret === "string") return new Map([[name, secret]]);
  return typeof secret === "object" && secret !== null ? flatten(secret, separator) : undefined;
}

/** `{"a": {"b": ["x"]}}` becomes `a:b:0` → `x`. */
function flatten(
  value: object,
  separator: string,
  prefix = "",
  into = new Map<string, string>(),
): Map<string, string> {
  for (const [key, part] of Object.entries(value) as [string, unknown][]) {
    if (typeof part === "object" && part !== null)
      flatten(part, separator, prefix + key + separator, into);
    else if (typeof part === "string" || typeof part === "boolean")
      into.set(prefix + key, String(part));
  }
  return into;
}

async function readFromFolder(
  folder: string,
  name: string,
): Promise<ReadonlyMap<string, string> | undefined> {
  // Kubernetes keeps its versions under names that begin with two dots.
  if (/[/\\\0]/.test(name) || name.startsWith("..") || name === "." || name === "")
    return undefined;
  const path = join(folder, name);
  const found = await statOf(path, folder).catch((thrown: unknown) => {
    if (thrown instanceof UnreadableFile && thrown.isGone) return undefined;
    return refuse(path, thrown);
  });
  if (found === undefined) return undefined;
  if (!found.isDirectory()) return new Map([[name, await readSecretFile(path, folder)]]);
  const secret = new Map<string, string>();
  let length = 0;
  for (const key of await readNames(path, folder).catch((thrown: unknown) =>
    refuse(path, thrown),
  )) {
    if (key.startsWith("..")) continue;
    const file = join(path, key);
    if (!(await statOf(file, folder).catch(() => undefined))?.isFile()) continue;
    const text = await readSecretFile(file, folder);
    length += text.length;
    if (length > largestFile)
      throw new Error(`the secrets of the folder ${path} are together larger than 4 MiB`);
    secret.set(key, text);
  }
  return secret;
}

/** One newline at the end is the editor's, not the secret's. */
async function readSecretFile(path: string, folder: string): Promise<string> {
  return (await readText(path, folder)).replace(/\r?\n$/, "");
}
