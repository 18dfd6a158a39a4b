import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Place, Source } from "../place.ts";

/** A folder into which each event is renamed as a file. */
export const file: Source = {
  name: "file",
  bounds: { app: 64, runtime: 64, server: 0 },
  async place(kit) {
    const folder = join(kit.folder, "inbox");
    await mkdir(folder);
    return {
      component: {
        ...{ name: "inbox", type: "bindings.file" },
        metadata: { folder, quietTime: "50ms", scanInterval: "1s", direction: "input" },
      },
      ordered: false,
      async send(event) {
        const path = join(folder, `${event.uuid}.json`);
        await writeFile(`${path}.part`, JSON.stringify(event));
        await rename(`${path}.part`, path);
      },
      async [Symbol.asyncDispose]() {},
    } satisfies Place;
  },
};
