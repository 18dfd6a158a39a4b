import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startDaemon } from "../e2e/daemon.ts";
import { folder } from "../resources/folder.ts";
import { until } from "../until.ts";
import { componentOf, nothing } from "./files.ts";

const program = resolve(import.meta.dirname, "../../bin/cufflink");

test(
  "a reload finds packages that were installed since, and says that a changed file is as it was",
  { timeout: 60_000 },
  async () => {
    const file = join(folder({ "own.ts": nothing("acme.own") }), "own.ts");
    await using daemon = await startDaemon({
      components: [componentOf("acme.own")],
      flags: ["--bindings", file],
    });
    expect(await daemon.state("acme-own")).toBe("running");

    const place = join(daemon.folder, "node_modules/cufflink-binding-late");
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, "package.json"), '{ "type": "module", "main": "main.js" }');
    writeFileSync(join(place, "main.js"), nothing("acme.late"));
    writeFileSync(join(daemon.folder, "late.yaml"), componentOf("acme.late"));
    await until(async () => (await daemon.state("acme-late")) === "running", {
      what: () => daemon.output(),
      within: 40_000,
    });

    writeFileSync(file, nothing("acme.own", "// Another one.\n"));
    const address = ["--address", `127.0.0.1:${daemon.grpcPort}`, "--json"];
    const { stdout } = await promisify(execFile)(program, ["reload", ...address]);
    expect(stdout).toContain(
      `${file} was changed after it was loaded; it is as it was until a restart`,
    );
  },
);
