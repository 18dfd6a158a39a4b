// 64 MiB, or 1 GiB, in and out in parts, in a process of its own whose memory is measured.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { withClouds } from "../../../clouds.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { makeContainer } from "../blob-container.ts";

const run = promisify(execFile);
const MiB = 1024 * 1024;
const sizes = withClouds ? [64 * MiB, 1024 * MiB] : [64 * MiB];

type Measured = { readonly create: number; readonly get: number; readonly received: number };

describeWith("azurite-blob", { own: true, keepsData: true }, (server) => {
  test.each(sizes)(
    "%i bytes pass with less than 16 MiB of memory",
    async (size) => {
      const { container, properties } = await makeContainer(server);
      const program = join(import.meta.dirname, "large-blob-process.ts");
      const given = ["--expose-gc", program, JSON.stringify(properties), String(size)];
      const { stdout } = await run(process.execPath, given);
      const { create, get, received } = JSON.parse(stdout) as Measured;
      expect(received).toBe(size);
      const { contentLength } = await container.getBlobClient("large").getProperties();
      expect(contentLength).toBe(size);
      expect(create).toBeLessThan(16 * MiB);
      expect(get).toBeLessThan(16 * MiB);
    },
    300_000,
  );
});
