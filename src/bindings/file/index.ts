import { defineBinding } from "../../binding.ts";
import { fileFields } from "./fields.ts";
import { FolderReader } from "./folder-reader.ts";
import { Folder } from "./folder.ts";

/**
 * Calls the app for each file that is put into a folder.
 *
 * A file leaves the folder only after the app has handled it, so one that the app refused, or was handling
 * when the process died, is delivered again.
 */
export default defineBinding({
  name: "file",
  status: "beta",
  summary: "Calls the app for each file in a folder, and moves or deletes handled files.",
  provedBy: [{ system: "Linux file system", kind: "real" }],
  metadata: fileFields,

  async open({ metadata, examines }) {
    const folder = new Folder(metadata);
    await (examines ? folder.examine() : folder.prove());
    return { folder, maxSize: metadata.maxSize, async [Symbol.asyncDispose]() {} };
  },

  eventMetadata: {
    fileName: "The file's name.",
    path: "The file's path.",
    size: "Its size in bytes.",
    modifiedTime: "When it was last changed.",
  },

  guarantee: {
    returned: "stays in the folder",
    atLeastOnce: "the file stays in the folder",
    shared: false,
    duplicates: {
      app: "what the app has (64)",
      runtime: "what the app has, and handled files that were not moved (64)",
      server: "none, even with a full disk",
    },
  },

  read({ folder }, reading) {
    return new FolderReader(folder, reading);
  },

  async ping({ folder }) {
    await folder.examine();
  },

  async examine({ folder }, { ask, omit }) {
    omit("reachable", "authenticated");
    await ask("exists", folder.root, () => {});
    await ask("may read", folder.root, () => folder.examine());
  },

  async backlog({ folder, maxSize }, signal) {
    let files = 0;
    await folder.walk(
      () => signal.throwIfAborted(),
      async (path) => {
        const seen = await folder.look(path);
        // What is no file, and a larger one, never becomes an event, and nobody is to wait for it.
        if (seen !== undefined && seen.size <= maxSize) files++;
      },
      () => undefined,
    );
    return files;
  },
});
