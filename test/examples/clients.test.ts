import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startDaemon } from "../e2e/daemon.ts";

const root = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cufflink-clients-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("the TypeScript client, generated anew, invokes a binding over gRPC", async () => {
  const client = join(folder, "examples/clients/typescript");
  cpSync(join(root, "examples/clients/typescript"), client, { recursive: true });
  rmSync(join(client, "gen"), { recursive: true, force: true });
  cpSync(join(root, "proto"), join(folder, "proto"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  await run(join(root, "node_modules/.bin/buf"), ["generate"], { cwd: client });

  const files = join(folder, "files");
  mkdirSync(files);
  await using daemon = await startDaemon({
    components: [{ name: "files", type: "bindings.localstorage", metadata: { rootPath: files } }],
  });
  const env = { ...process.env, DAPR_GRPC_PORT: String(daemon.grpcPort) };
  const invoke = ["main.ts", "files", "create", "grüße"];
  const { stdout } = await run(process.execPath, invoke, { cwd: client, env });

  const [name] = readdirSync(files);
  expect(JSON.parse(stdout)).toEqual({ fileName: name });
  expect(readFileSync(join(files, name!), "utf8")).toBe("grüße");
});
