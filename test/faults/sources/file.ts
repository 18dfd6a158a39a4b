import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { OpenedSource, Source } from "../opened-source.ts";
import { mountSmallDisk } from "../small-disk.ts";

/** A folder into which each event is renamed as a file. */
export const file: Source = {
  name: "file",
  bounds: { app: 64, runtime: 64, server: 0 },
  async opened(kit) {
    const folder = join(kit.folder, "inbox");
    const processedFolder = join(kit.folder, "done");
    await mkdir(folder);
    await mkdir(processedFolder);
    const disk = kit.ownDisk ? await mountSmallDisk(processedFolder) : undefined;
    return {
      component: {
        ...{ name: "inbox", type: "bindings.file" },
        metadata: {
          ...{ folder, processedFolder, direction: "input" },
          ...{ quietTime: "50ms", scanInterval: "1s" },
        },
      },
      ordered: false,
      ...(disk === undefined ? {} : { disk }),
      async send(event) {
        const path = join(folder, `${event.uuid}.json`);
        await writeFile(`${path}.part`, JSON.stringify(event));
        await rename(`${path}.part`, path);
      },
      async remains() {
        const names = (await readdir(folder)).filter((name) => name.endsWith(".json"));
        return names.length === 0 ? undefined : `${names.length} files are not put away`;
      },
      async [Symbol.asyncDispose]() {
        await disk?.[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
