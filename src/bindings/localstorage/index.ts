import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { defineBinding } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { string } from "../../metadata/fields.ts";
import {
  createFile,
  listFiles,
  readParts,
  readWhole,
  remove,
  type Content,
} from "../../local-files/files.ts";
import { locate, type Root } from "../../local-files/locate.ts";
import { payload } from "./payload.ts";
import { mayWrite, prepareRoot } from "../../local-files/root-path.ts";

const name = {
  description:
    "The file's name below the root, or its path as `list` returns it. `..` and links cannot lead out of the root.",
};

/** Keeps files in one folder of this machine. No name leads out of that folder. */
export default defineBinding({
  name: "localstorage",
  status: "stable",
  summary: "Stores, reads, lists and deletes files in a folder.",
  provedBy: [{ system: "Linux file system", kind: "real" }],

  metadata: {
    rootPath: string({
      description:
        "The folder of all files, created if missing. Not below /proc, /sys, /boot or /var/run/secrets.",
      required: true,
      example: "/var/lib/shop/files",
    }),
  },

  async open({ metadata, memory, examines }) {
    const path = await prepareRoot(metadata.rootPath, "rootPath", !examines);
    const root: Root = { path, configuredPath: resolve(metadata.rootPath) };
    return { root, memory, async [Symbol.asyncDispose]() {} };
  },

  async examine({ root }, { ask, omit }) {
    omit("reachable", "authenticated");
    await ask("exists", root.path, async () => {
      const isThere = await stat(root.path).catch(() => undefined);
      return isThere === undefined ? "it is made when the component opens" : undefined;
    });
    await ask("may write", root.path, () => mayWrite(root.path));
  },

  operations: {
    create: {
      description:
        "Stores the data as a file, which may replace an existing one, and returns its name.",
      request: { fileName: string({ ...name, example: "2026/order-42.json" }) },
      idempotent: true,
      async invoke({ root }, { data, encoding, request }) {
        return { data: await store(root, request.fileName, payload(data, encoding)) };
      },
      async invokeStream({ root }, { body, request }) {
        return { data: await store(root, request.fileName, body) };
      },
    },

    get: {
      description: "Returns the content of a file.",
      request: { fileName: string({ ...name, example: "2026/order-42.json" }) },
      idempotent: true,
      async invoke({ root, memory }, { request }) {
        return { data: await readWhole(await locate(root, demand(request.fileName)), memory) };
      },
      async invokeStream({ root }, { request }) {
        return { body: readParts(await locate(root, demand(request.fileName))) };
      },
    },

    list: {
      description:
        "Returns a JSON array of the paths of all files below a folder, or null if there are none.",
      request: {
        fileName: string({ description: "The folder. Default: the root.", example: "2026" }),
      },
      idempotent: true,
      async invoke({ root, memory }, { request }) {
        const files = await listFiles(await locate(root, request.fileName ?? ""), memory);
        return { data: Buffer.from(JSON.stringify(files.length === 0 ? null : files)) };
      },
    },

    delete: {
      description: "Deletes a file, or an empty folder.",
      request: { fileName: string({ ...name, example: "2026/order-42.json" }) },
      async invoke({ root }, { request }) {
        const path = await locate(root, demand(request.fileName));
        if (path === root.path) {
          throw new BindingError(
            "invalid_argument",
            "the root itself cannot be deleted; name a file",
          );
        }
        await remove(path);
      },
    },
  },

  async ping({ root }) {
    await prepareRoot(root.path);
  },
});

/** Writes the file, and answers its name as JSON. */
async function store(
  root: Root,
  fileName: string | undefined,
  content: Content,
): Promise<Uint8Array> {
  const path = await locate(root, fileName || randomUUID());
  await createFile(path, content);
  return Buffer.from(JSON.stringify({ fileName: relative(root.path, path) }));
}

function demand(fileName: string | undefined): string {
  if (fileName) return fileName;
  throw new BindingError("invalid_argument", "missing fileName in request metadata");
}
