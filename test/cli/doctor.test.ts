import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Examined } from "../../src/runtime/component/examine.ts";
import { startLoopback } from "../bindings/http/loopback-server.ts";
import { cufflinkHere } from "./in-process.ts";
import { operated } from "./operated.ts";

describe("a running runtime's components", () => {
  test("are shown with marks, and one that failed is exit code 1", async () => {
    const { operator, run } = await operated();
    operator.checks = [
      { kind: "definition", subject: "", result: "passed", detail: "" },
      { kind: "exists", subject: "queue a", result: "failed", detail: "it is not there" },
      { kind: "may write", subject: "", result: "unknown", detail: "it cannot be asked" },
    ];
    const { code, stdout } = await run(["doctor", "probe", "--timeout", "3s"]);
    expect(stdout).toBe(`probe  bindings.probe
  ✓ definition
  ✗ exists         queue a: it is not there
  ? may write      it cannot be asked

1 component examined: 1 failed; 1 question could not be asked
`);
    expect(code).toBe(1);
    expect(operator.asked).toEqual(["examine probe within 3000"]);
  });

  test("are JSON for tools, and nothing that failed is exit code 0", async () => {
    const { operator, run } = await operated();
    operator.checks = [{ kind: "reachable", subject: "", result: "passed", detail: "" }];
    const { code, stdout } = await run(["doctor", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([
      { component: "probe", type: "bindings.probe", took: 12, checks: operator.checks },
    ]);
  });

  test("a name that is not there, and a runtime that is away", async () => {
    const { run } = await operated();
    const unknown = await run(["doctor", "nosuch"]);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("nosuch");
    const away = await cufflinkHere(["doctor", "--address=127.0.0.1:1"]);
    expect(away.code).toBe(69);
  });

  test("what only --resources-path takes is refused without it", async () => {
    const { stderr } = await cufflinkHere(["doctor", "--app-id=shop"]);
    expect(stderr).toContain("--app-id needs --resources-path");
  });
});

async function folderWith(yaml: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "doctor-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "inbox"));
  await mkdir(join(folder, "components"));
  await writeFile(
    join(folder, "components", "all.yaml"),
    yaml.replaceAll("FOLDER", join(folder, "inbox")),
  );
  return folder;
}

function component(name: string, type: string, metadata: Record<string, string>): string {
  const values = Object.entries(metadata).map(
    ([key, value]) => `    - { name: ${key}, value: "${value}" }`,
  );
  return `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: ${name} }
spec:
  type: bindings.${type}
  version: v1
  metadata:
${values.join("\n")}
---
`;
}

describe("the components of files", () => {
  test("are examined without a runtime, and nothing is made", async () => {
    const folder = await folderWith(
      component("inbox", "file", { folder: "FOLDER" }) +
        component("tick", "cron", { schedule: "0 3 * * *" }),
    );
    const run = ["doctor", "--resources-path", join(folder, "components")];
    const { code, stdout } = await cufflinkHere(run);
    expect(stdout).toContain("✓ may read");
    expect(stdout).toContain("2 components examined: nothing failed");
    expect(code).toBe(0);
    expect(await readdir(join(folder, "inbox"))).toEqual([]);
  });

  test("what is wrong is told for each, and is exit code 1", async () => {
    const folder = await folderWith(
      component("gone", "file", { folder: "FOLDER/nosuch" }) +
        component("odd", "nosuch", { a: "b" }) +
        component("away", "redis", { redisHost: "127.0.0.1:1" }),
    );
    const run = ["doctor", "--json", "--resources-path", join(folder, "components")];
    const { code, stdout } = await cufflinkHere(run);
    expect(code).toBe(1);
    const failed = (JSON.parse(stdout) as Examined[]).map(({ component: name, checks }) => [
      name,
      ...checks.filter(({ result }) => result === "failed").map(({ kind }) => kind),
    ]);
    expect(failed).toEqual([
      ["away", "reachable"],
      ["gone", "exists"],
      ["odd", "definition"],
    ]);
  });

  test("a file that is wrong is exit code 1, unless others are named", async () => {
    const folder = await folderWith(component("inbox", "file", { folder: "FOLDER" }));
    const path = join(folder, "components");
    await writeFile(join(path, "wrong.yaml"), "kind: Component\n\tmetadata: {}\n");
    const whole = await cufflinkHere(["doctor", "--resources-path", path]);
    expect(whole.stderr).toContain("tabs do not indent in YAML");
    expect(whole.stdout).toContain("1 component examined: nothing failed; files are wrong");
    expect(whole.code).toBe(1);
    expect((await cufflinkHere(["doctor", "inbox", "--resources-path", path])).code).toBe(0);
    const none = ["doctor", "--resources-path", join(folder, "nosuch"), "--json"];
    const { code, stdout } = await cufflinkHere(none);
    expect([code, JSON.parse(stdout)]).toEqual([1, []]);
    const other = await folderWith("kind: ConfigMap\nmetadata: {name: a}\n");
    const ignored = await cufflinkHere(["doctor", "--resources-path", join(other, "components")]);
    expect(ignored.stdout).toMatch(
      /no components in .*: a document counts if its kind is Component/,
    );
  });

  test("Ctrl-C ends it: what was not examined is not told as failed", async () => {
    const silent = createServer();
    const sockets = new Set<Socket>();
    silent.on("connection", (socket) => sockets.add(socket));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as AddressInfo;
    const names = Array.from({ length: 40 }, (_, n) => `waits-${n}`);
    const folder = await folderWith(
      component("inbox", "file", { folder: "FOLDER" }) +
        names.map((name) => component(name, "http", { url: `http://127.0.0.1:${port}` })).join(""),
    );
    const run = [
      "doctor",
      "--timeout=1m",
      "--json",
      "--resources-path",
      join(folder, "components"),
    ];
    const running = cufflinkHere(run);
    // No more than are examined at one time.
    await vi.waitFor(() => expect(sockets.size).toBe(32), { timeout: 20_000 });
    process.emit("SIGINT");
    const { code, stdout, stderr } = await running;
    expect(code).toBe(130);
    expect((JSON.parse(stdout) as Examined[]).map(({ component: name }) => name)).toEqual([
      "inbox",
    ]);
    expect(stderr).toContain("interrupted");
  });

  test("a webhook whose port the runtime has is no failure", async () => {
    await using server = await startLoopback();
    const folder = await folderWith(
      component("hook", "webhook", { address: `127.0.0.1:${server.port}` }),
    );
    const run = ["doctor", "--resources-path", join(folder, "components")];
    const { code, stdout } = await cufflinkHere(run);
    expect(stdout).toContain(`? reachable      port ${server.port}: it is in use: by the runtime`);
    expect(stdout).not.toContain("✓ reachable");
    expect(code).toBe(0);
  });

  test("one of them may be named; a name that is not there is told", async () => {
    const folder = await folderWith(component("inbox", "file", { folder: "FOLDER" }));
    const run = ["doctor", "--resources-path", join(folder, "components")];
    expect((await cufflinkHere([...run, "inbox"])).code).toBe(0);
    const { code, stderr } = await cufflinkHere([...run, "inbx"]);
    expect(code).toBe(1);
    expect(stderr).toContain("inbx");
  });
});
