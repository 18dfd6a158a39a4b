// Follows docs/migrating-from-daprd.md: writes its folder of components and runs its commands.
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { Command } from "../cli/command.ts";
import { startHttpApp } from "../cli/http-app.ts";
import { folder } from "../resources/folder.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { blocks, readPage, root } from "./pages.ts";

const page = "docs/migrating-from-daprd.md";
const lines = readPage(page).split("\n");

test(
  "a folder of Dapr's components moves from daprd as the page says",
  { timeout: 180_000 },
  async () => {
    const ports = await Promise.all([reservePort(), reservePort(), reservePort()]);
    onTestFinished(async () => {
      for (const port of ports) await releasePort(port);
    });
    const [http, grpc, metrics] = ports.map(String) as [string, string, string];
    let ticks = 0;
    const app = await startHttpApp(async (path) => {
      if (path === "/tick") ticks++;
      return { status: path === "/tick" ? 200 : 404 };
    });
    const place = folder({ "shop/secrets.json": '{ "smtp-password": "correct horse" }' });
    mkdirSync(join(place, "bin"));
    const program = `#!/bin/sh\nexec ${join(root, "bin/cufflink")} "$@"\n`;
    writeFileSync(join(place, "bin/cufflink"), program, { mode: 0o755 });
    const env = {
      ...process.env,
      PATH: `${join(place, "bin")}:${process.env["PATH"]}`,
      XDG_STATE_HOME: folder({}),
      DAPR_GRPC_PORT: grpc,
    };
    const local = (text: string) =>
      text
        .replaceAll("3500", http)
        .replaceAll("50001", grpc)
        .replace("--app-port 8080", `--app-port ${app.port} --metrics-port ${metrics}`);

    let daemon: Command | undefined;
    const said: string[] = [];
    for (const block of blocks().filter((one) => one.page === page)) {
      const [, file] = /`(shop\/components\/[\w-]+\.yaml)`/.exec(lines[block.line - 4] ?? "") ?? [];
      if (block.language === "yaml" && file !== undefined) {
        mkdirSync(dirname(join(place, file)), { recursive: true });
        writeFileSync(join(place, file), `${block.text}\n`);
      } else if (block.text.startsWith("cufflink --app-id")) {
        daemon = new Command(local(block.text).split(" ").slice(1), { env, cwd: place });
        await daemon.printed(/cufflink initialized/);
        await until(() => ticks > 0, { what: () => `a tick:\n${daemon?.stdout}`, within: 20_000 });
      } else if (block.language === "sh") {
        const ran = await promisify(execFile)("/bin/sh", ["-ec", local(block.text)], {
          ...{ env, cwd: place },
        });
        said.push(ran.stdout);
      }
    }
    const [checked, components, answers] = said;
    expect(checked).toBe("5 components: no problems\n");
    expect(daemon?.stdout).toContain("--placement-host-address");
    for (const [name, state] of Object.entries({
      tick: "running",
      invoices: "running",
      checkout: "reconnecting",
    })) {
      expect(components).toMatch(new RegExp(`^${name} .* ${state} `, "m"));
    }
    expect(components).toContain('"id":"shop"');
    expect(answers).toMatch(/invoice 1"?$/);
    expect(JSON.stringify(said) + daemon?.stdout).not.toContain("correct horse");
    daemon?.signal("SIGTERM");
    expect(await daemon?.exited).toBe(0);
  },
);
