// Follows docs/tour.md: writes its files, starts what it starts, and runs its commands in their order.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { Command } from "../cli/command.ts";
import { cufflinkHere } from "../cli/in-process.ts";
import { folder } from "../resources/folder.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { blocks, readPage, root, type Block } from "./pages.ts";

const page = "docs/tour.md";
const lines = readPage(page).split("\n");

test("the tour works as it is written", { timeout: 240_000 }, async () => {
  const place = checkout();
  const ports = await Promise.all([reservePort(), reservePort(), reservePort(), reservePort()]);
  onTestFinished(async () => {
    for (const port of ports) await releasePort(port);
  });
  const [http, grpc, metrics, console] = ports.map(String) as [string, string, string, string];
  const state = folder({});
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
    XDG_STATE_HOME: state,
    DAPR_GRPC_PORT: grpc,
  };
  let runtime: Command | undefined;
  const said = new Map<string, string>();

  for (const block of blocks().filter((one) => one.page === page)) {
    const file = fileOf(block);
    if (file !== undefined) {
      mkdirSync(dirname(join(place, file)), { recursive: true });
      writeFileSync(join(place, file), `${block.text}\n`);
    } else if (/^(OTEL_\S+ )?bin\/cufflink run /.test(block.text)) {
      runtime?.signal("SIGINT");
      if (runtime !== undefined) expect(await runtime.exited).toBe(0);
      const [, variable = ""] = /^(OTEL_\S+) /.exec(block.text) ?? [];
      const [name = "", value = ""] = variable.split("=");
      const words = block.text.replace("8090", console).split(" ");
      const args = words.slice(words.indexOf("run") + 1);
      const flags = ["--dapr-http-port", http, "--dapr-grpc-port", grpc, "--metrics-port", metrics];
      const traced = variable === "" ? env : { ...env, [name]: value };
      runtime = new Command(["run", ...flags, ...args], { env: traced, cwd: place });
      await runtime.printed(/\[orders\] component running/);
      if (!block.text.includes("--console-port")) continue;
      const link = /^Console: http:\/\/127\.0\.0\.1:\d+\/#token=\S{20,}$/m;
      const { stderr } = runtime;
      await until(() => link.test(runtime?.stderr ?? ""), { what: `a link in ${stderr}` });
      expect((await fetch(`http://127.0.0.1:${console}/`)).status).toBe(200);
    } else {
      const text = block.text.replaceAll("127.0.0.1:9090", `127.0.0.1:${metrics}`);
      const outputs = [];
      for (const line of text.split("\n").filter((one) => one !== "")) {
        const output = await ran(line).catch((error: unknown) => {
          const what = `${page}:${block.line}: ${String(error)}\n${runtime?.stdout}`;
          throw new Error(what, { cause: error });
        });
        outputs.push(output);
      }
      said.set(block.text, outputs.join(""));
      await cameOf(block.text);
    }
  }
  const saidOf = (part: string) =>
    Array.from(said).flatMap(([command, text]) => (command.includes(part) ? [text] : []));
  expect(saidOf("cufflink check")).toEqual([expect.stringContaining("no problems")]);
  expect(saidOf("fileName=a1.json")).toEqual(['{ "id": "a1", "amount": 20 }\n']);
  expect(saidOf("components policy orders")[0]).toContain("nobody approved 2000");
  expect(saidOf("cufflink why")[0]).toMatch(/nobody approved 2000[\s\S]*dead letter/);
  expect(saidOf("dead-letters redrive")[0]).toContain('{ "id": "b2", "amount": 2000 }');
  expect(saidOf("cufflink reload")[0]).toContain("orders");
  expect(saidOf("curl")[0]).toMatch(/cufflink_\w+\{[^}]*component="orders"/);
  runtime?.signal("SIGINT");
  expect(await runtime?.exited).toBe(0);
  for (const span of ["redrive orders", "attempt orders", "create archive"])
    expect(runtime?.stdout).toContain(span);

  /** What a line prints. A plain command of ours runs in this process, which is quicker. */
  async function ran(line: string): Promise<string> {
    if (!/^bin\/cufflink [^$|>&'"]+$/.test(line) || line.includes("--bindings")) {
      const options = { env, cwd: place };
      return (await promisify(execFile)("/bin/sh", ["-ec", line], options)).stdout;
    }
    const before = process.cwd();
    process.chdir(place);
    try {
      const own = { XDG_STATE_HOME: state, DAPR_GRPC_PORT: grpc };
      const { code, stdout, stderr } = await cufflinkHere(line.split(" ").slice(1), own);
      if (code !== 0) throw new Error(`${line}: ${code}\n${stdout}${stderr}`);
      return stdout;
    } finally {
      process.chdir(before);
    }
  }

  /** What the page tells the reader to see before the next step. */
  async function cameOf(command: string): Promise<void> {
    if (command.includes("> tour/inbox/a1.json")) {
      await runtime?.printed(/app \| order a1 archived at attempt 1/);
      await until(() => !existsSync(join(place, "tour/inbox/a1.json")), {
        what: () => "the file is moved away",
        within: 20_000,
      });
    }
    if (command.includes("> tour/inbox/b2.json")) {
      await runtime?.printed(/attempts are used up/);
    }
  }
});

/** A folder in which `bin/cufflink` and `cufflink/app` are those of the sources, as both are in a checkout. */
function checkout(): string {
  const library = `export * from ${JSON.stringify(join(root, "src/sdk/index.ts"))};\n`;
  const whole = `export * from ${JSON.stringify(join(root, "src/index.ts"))};\n`;
  const exports = { ".": "./index.ts", "./app": "./app.ts" };
  const place = folder({
    "package.json": JSON.stringify({ name: "cufflink", type: "module", exports }),
    "index.ts": whole,
    "app.ts": library,
  });
  mkdirSync(join(place, "bin"));
  writeFileSync(
    join(place, "bin/cufflink"),
    `#!/bin/sh\nexec ${join(root, "bin/cufflink")} "$@"\n`,
    { mode: 0o755 },
  );
  return place;
}

/** The file that the paragraph above the block says to write. */
function fileOf({ line }: Block): string | undefined {
  return /`(tour\/[\w./-]+)`:$/.exec(lines[line - 4] ?? "")?.[1];
}
