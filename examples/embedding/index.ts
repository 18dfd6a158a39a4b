// Cufflink inside a Node process: no port, no other process, the app is functions.
// In a project of your own: import { createRuntime } from "cufflink";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime } from "../../src/index.ts";

const folder = await mkdtemp(join(tmpdir(), "cufflink-embedding-"));
const { promise: ticked, resolve: tick } = Promise.withResolvers<void>();

const runtime = await createRuntime({
  components: [
    `
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: tick }
spec:
  type: bindings.cron
  version: v1
  metadata: [{ name: schedule, value: "@every 1s" }]
`,
    {
      apiVersion: "dapr.io/v1alpha1",
      kind: "Component",
      metadata: { name: "notes" },
      spec: {
        type: "bindings.localstorage",
        version: "v1",
        metadata: [{ name: "rootPath", value: folder }],
      },
    },
  ],
  app: {
    bindings: {
      // Throwing would mean "not handled": the event would come again.
      async tick() {
        const metadata = { fileName: "tick.txt" };
        await runtime.invoke("notes", "create", { data: new Date().toISOString(), metadata });
        tick();
      },
    },
  },
});

await ticked;
console.log("the note says", await readFile(join(folder, "tick.txt"), "utf8"));
await runtime.close();
