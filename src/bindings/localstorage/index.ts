import { randomUUID } from "node:crypto";
import { relative } from "node:path";
import { defineBinding } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { string } from "../../metadata/fields.ts";
import { systemFailure } from "./failures.ts";
import { createFile, listFiles, readParts, readWhole, remove, type Content } from "./files.ts";
import { payload } from "./payload.ts";
import { prepareRoot } from "./root-path.ts";
import { secureJoin } from "./secure-join.ts";

const name = {
  description: "The file's name below the root; `..` and links do not lead out of it.",
};

/** Bytes; what Linux takes as a path at most. */
const longestName = 4096;

/** Keeps files in one folder of this machine. No name leads out of that folder. */
export default defineBinding({
  name: "localstorage",
  status: "stable",
  summary: "Stores, reads, lists and deletes files in a folder.",

  metadata: {
    rootPath: string({
      description:
        "The folder of all files, made when it is missing. Not below /proc, /sys, /boot or /var/run/secrets.",
      required: true,
      example: "/var/lib/shop/files",
    }),
  },

  async open({ metadata, memory }) {
    return { root: await prepareRoot(metadata.rootPath), memory, async [Symbol.asyncDispose]() {} };
  },

  operations: {
    create: {
      description:
        "Stores the data as a file, new or in place of an old one, and answers its name.",
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
      description: "Answers the content of a file.",
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
        "Answers a JSON array of the paths of all files below a folder, null when there are none.",
      request: {
        fileName: string({ description: "The folder. Default: the root.", example: "2026" }),
      },
      idempotent: true,
      async invoke({ root }, { request }) {
        const files = await listFiles(await locate(root, request.fileName ?? ""));
        return { data: Buffer.from(JSON.stringify(files.length === 0 ? null : files)) };
      },
    },

    delete: {
      description: "Deletes a file, or an empty folder.",
      request: { fileName: string({ ...name, example: "2026/order-42.json" }) },
      async invoke({ root }, { request }) {
        const path = await locate(root, demand(request.fileName));
        if (path === root) {
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
    await prepareRoot(root);
  },
});

/** Writes the file, and answers its name as JSON. */
async function store(
  root: string,
  fileName: string | undefined,
  content: Content,
): Promise<Uint8Array> {
  const path = await locate(root, fileName || randomUUID());
  await createFile(path, content);
  return Buffer.from(JSON.stringify({ fileName: relative(root, path) }));
}

function demand(fileName: string | undefined): string {
  if (fileName) return fileName;
  throw new BindingError("invalid_argument", "missing fileName in request metadata");
}

async function locate(root: string, fileName: string): Promise<string> {
  const what = `error getting absolute path for file ${fileName}`;
  if (fileName.includes("\0")) {
    throw new BindingError("invalid_argument", `${what.replaceAll("\0", "\\0")}: invalid argument`);
  }
  if (Buffer.byteLength(fileName) > longestName) {
    throw new BindingError("invalid_argument", "error getting absolute path: file name too long");
  }
  try {
    return await secureJoin(root, fileName);
  } catch (error) {
    throw systemFailure(what, error);
  }
}
