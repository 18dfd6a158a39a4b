// The unit that is shipped: by systemd's own checks, and with Cufflink under the very system calls that it allows.
import { execFile } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { reservePort } from "../../servers/ports.ts";
import { until } from "../../until.ts";
import { Container } from "../image/container.ts";
import { record } from "../record.ts";
import { describeWithTools } from "../tools.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");
const shipped = join(root, "deploy/systemd");
const unit = readFileSync(join(shipped, "cufflink@.service"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "cufflink-systemd-"));
// Its user reads in it.
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeWithTools("systemd", { programs: ["systemd-analyze"] }, () => {
  const file = join(folder, "cufflink@orders.service");
  beforeAll(() => {
    copyFileSync(join(shipped, "cufflink@.service"), file);
  });

  test("finds nothing wrong in the unit, once the program is installed", async () => {
    // It is looked for in the folders that systemd searches; here it is a file of the test's own.
    const program = join(folder, "cufflink");
    writeFileSync(program, "#!/bin/sh\n");
    chmodSync(program, 0o755);
    const installed = join(folder, "installed@.service");
    writeFileSync(installed, unit.replaceAll(/=cufflink (?=serve|health)/g, `=${program} `));
    const { stdout, stderr } = await run("systemd-analyze", ["verify", "--man=no", installed]);
    expect(stdout + stderr).toBe("");
  });

  test("rates its exposure as OK, and every restriction but the ones that it explains is on", async () => {
    const args = ["security", "--offline=true", "--json=short", "--no-pager"];
    const { stdout } = await run("systemd-analyze", [...args, file]);
    const rated = JSON.parse(stdout) as { set: boolean | null; name: string; json_field: string }[];
    const off = rated.filter(({ set }) => set === false).map(({ json_field: field }) => field);
    expect(off.toSorted()).toEqual([
      // A part of ProtectClock, which lets the clock be read.
      "DeviceAllow",
      // It speaks to the outside: by TCP, by Unix sockets, and the resolver by netlink.
      "IPAddressDeny",
      // V8 compiles to machine code.
      "MemoryDenyWriteExecute",
      "PrivateNetwork",
      // The folders and groups that components name are the machine's own.
      "PrivateUsers",
      ...["RestrictAddressFamilies_AF_INET_INET6", "RestrictAddressFamilies_AF_NETLINK"],
      "RestrictAddressFamilies_AF_UNIX",
      "RootDirectoryOrRootImage",
    ]);
    const { stdout: table } = await run("systemd-analyze", ["security", "--offline=true", file]);
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(table)?.[1]);
    expect(exposure).toBeLessThan(1.6);
    const { stdout: version } = await run("systemd-analyze", ["--version"]);
    await record("systemd unit", { systemd: version.split("\n", 1)[0] ?? "", exposure });
  });
});

const programs = ["systemd-analyze", "crun", "unshare"];
describeWithTools("the unit's system calls", { programs, root: true }, () => {
  test("are enough: it starts, runs WebAssembly, keeps records, reloads on SIGHUP and ends with 0", async () => {
    const [http, grpc, metrics] = [await reservePort(), await reservePort(), await reservePort()];
    const environment: Record<string, string> = {
      DAPR_HTTP_PORT: String(http),
      DAPR_GRPC_PORT: String(grpc),
      METRICS_PORT: String(metrics),
      CUFFLINK_FLAGS: "",
    };
    const resources = join(folder, "resources");
    mkdirSync(resources);
    const notes = component("notes", "localstorage", { rootPath: "/mnt/notes" });
    writeFileSync(join(resources, "notes.yaml"), notes);
    const wasm = { url: `file://${join(folder, "guest.wasm")}` };
    writeFileSync(join(folder, "guest.wasm"), Buffer.from("0061736d01000000", "hex"));
    writeFileSync(join(resources, "guest.yaml"), component("guest", "wasm", wasm));
    const [, ...words] = settingOf("ExecStart")
      .replaceAll("%i", "orders")
      .replaceAll("/etc/cufflink/orders", resources)
      .replaceAll(/\$\{?(\w+)\}?/g, (_, name: string) => environment[name] ?? "")
      .split(/\s+/);
    const args = words.filter((word) => word !== "");
    await using container = new Container({
      files: "/",
      config: {
        ...{ User: "65534:65534", WorkingDir: "/", Volumes: { "/mnt": {} }, Cmd: args },
        ...{
          Entrypoint: [join(root, "bin/cufflink")],
          Env: ["PATH=/usr/bin:/bin", "XDG_STATE_HOME=/mnt"],
        },
      },
      systemCalls: await allowedCalls(),
    });
    const base = `http://127.0.0.1:${http}/v1.0`;
    const status = async (path: string) =>
      (await fetch(base + path).catch(() => undefined))?.status;
    await until(async () => (await status("/healthz")) === 204, {
      what: () => `a healthy daemon:\n${container.output}`,
      within: 60_000,
    });
    const invoke = async (name: string, body: object) =>
      fetch(`${base}/bindings/${name}`, { method: "POST", body: JSON.stringify(body) });
    const create = { operation: "create", data: "kept", metadata: { fileName: "a" } };
    expect((await invoke("notes", create)).status).toBe(200);
    expect((await invoke("guest", { operation: "execute" })).status).toBe(200);
    expect(await status("/healthz/store")).toBe(204);
    process.kill(await container.pid(), "SIGHUP");
    await until(() => container.output.includes("SIGHUP: reading the resources again"), {
      what: () => `a reload:\n${container.output}`,
    });
    expect(await container.end("SIGTERM")).toBe(0);
    expect(container.output).not.toMatch(/EPERM|not permitted/);
  }, 120_000);
});

/** The value of a setting that the unit has once. */
function settingOf(name: string): string {
  return new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1] ?? "";
}

/** What `SystemCallFilter` allows, as systemd resolves its sets. */
async function allowedCalls(): Promise<string[]> {
  const allowed = new Set<string>();
  for (const [, not, sets = ""] of unit.matchAll(/^SystemCallFilter=(~?)(.*)$/gm))
    for (const set of sets.split(" "))
      for (const call of await callsOf(set)) {
        if (not === "~") allowed.delete(call);
        else allowed.add(call);
      }
  return [...allowed];
}

async function callsOf(set: string): Promise<string[]> {
  const { stdout } = await run("systemd-analyze", ["syscall-filter", set]);
  const lines = stdout.split("\n").map((line) => line.trim());
  const found = lines.filter((line) => /^@?[a-z_0-9-]+$/.test(line) && line !== set);
  const nested = found.filter((name) => name.startsWith("@"));
  const inner = await Promise.all(nested.map((name) => callsOf(name)));
  return [...found.filter((name) => !name.startsWith("@")), ...inner.flat()];
}

function component(name: string, type: string, metadata: Readonly<Record<string, string>>): string {
  const items = Object.entries(metadata).map(([key, value]) => ({ name: key, value }));
  return JSON.stringify({
    ...{ apiVersion: "dapr.io/v1alpha1", kind: "Component", metadata: { name } },
    spec: { type: `bindings.${type}`, version: "v1", metadata: items },
  });
}
