import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { version } from "../../src/version.ts";
import { asking, deployment } from "../kubernetes/inject/objects.ts";
import { folder } from "../resources/folder.ts";
import { cufflinkHere } from "./in-process.ts";

const json = (object: object): string => JSON.stringify(object);
const kubernetes = (...args: string[]) => cufflinkHere(["kubernetes", ...args]);

describe("inject", () => {
  test("writes all files in one, and tells what it did", async () => {
    const files = folder({
      "one.yaml": "kind: Service\nmetadata: {name: orders}",
      "two.json": json(deployment(asking({ "enable-profiling": "true" }))),
    });
    const both = ["-f", join(files, "one.yaml"), "-f", join(files, "two.json")];
    const { code, stdout, stderr } = await kubernetes("inject", ...both);
    expect(code).toBe(0);
    const [first, second = ""] = stdout.split("---\n");
    expect(first).toBe("kind: Service\nmetadata: {name: orders}\n");
    expect(second).toContain(`"ghcr.io/cufflink-runtime/cufflink:${version}"`);
    expect(stderr.split("\n")).toEqual([
      "Deployment shop/orders: warning: dapr.io/enable-profiling has no effect: Cufflink has no port for profiles",
      "Deployment shop/orders: changed",
      "",
    ]);
  });

  test("writes nothing when something is refused", async () => {
    const files = folder({
      "good.json": json(deployment(asking())),
      "bad.json": json(deployment(asking(), { containers: [{ name: "daprd" }] })),
    });
    const both = ["-f", join(files, "good.json"), "-f", join(files, "bad.json")];
    const { code, stdout, stderr } = await kubernetes("inject", ...both);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("refused: it has a container named daprd");
  });

  test("takes the image, the policy and the user by flags", async () => {
    const file = join(folder({ "d.json": json(deployment(asking())) }), "d.json");
    const given = ["--image", "mine:1", "--image-pull-policy", "Never", "--run-as-user", "none"];
    const { stdout } = await kubernetes("inject", "-f", file, ...given);
    expect(stdout).toContain('"image": "mine:1"');
    expect(stdout).toContain('"imagePullPolicy": "Never"');
    expect(stdout).not.toContain("runAsUser");
    for (const [flag, value] of [
      ["--run-as-user", "0"],
      ["--image-pull-policy", "Sometimes"],
      ["--image", ""],
      ["-f", "/none.yaml"],
    ])
      expect((await kubernetes("inject", "-f", file, flag ?? "", value ?? "")).code).toBe(2);
  });
});

describe("check", () => {
  const pod = (name: string, spec: object, more: object = {}): object => ({
    ...{ kind: "Pod", metadata: { name, namespace: "shop", annotations: asking() }, spec },
    ...more,
  });
  const native = { initContainers: [{ name: "cufflink", restartPolicy: "Always" }] };

  test("finds pods without the sidecar", async () => {
    const items = [
      pod("good", native),
      pod("bare", { containers: [{ name: "app" }] }),
      pod("old", { containers: [{ name: "cufflink" }] }),
      pod("dapr", { containers: [{ name: "daprd" }] }),
      pod("done", {}, { status: { phase: "Succeeded" } }),
      { kind: "Pod", metadata: { name: "other" }, spec: {} },
    ];
    const file = join(folder({ "pods.json": json({ kind: "List", items }) }), "pods.json");
    const { code, stdout } = await kubernetes("check", "-f", file);
    expect(code).toBe(1);
    const rows = stdout.split("\n").map((line) => line.trim().split(/\s{2,}/));
    expect(rows.slice(0, 5)).toEqual([
      ["POD", "APP", "SIDECAR"],
      ["shop/bare", "orders", "missing"],
      ["shop/old", "orders", "not native"],
      ["shop/good", "orders", "native"],
      ["shop/dapr", "orders", "dapr"],
    ]);
    const parsed = JSON.parse((await kubernetes("check", "-f", file, "--json")).stdout) as object;
    expect(parsed).toMatchObject({ missing: 2 });
    expect((await kubernetes("check", "-f", file, "-n", "elsewhere")).code).toBe(0);
  });

  test("ends with 0 where each has it", async () => {
    const file = join(folder({ "pod.json": json(pod("good", native)) }), "pod.json");
    const { code, stdout } = await kubernetes("check", "-f", file);
    expect(code).toBe(0);
    expect(stdout).toContain("each of 1 has a sidecar");
  });

  test("says of what else is in a file that it is no pod, and without a kubeconfig what to do", async () => {
    const file = join(folder({ "all.json": json({ kind: "Deployment" }) }), "all.json");
    const other = await kubernetes("check", "-f", file);
    expect(other.stderr).toContain(
      "a Deployment is not looked at: give pods, as `kubectl get pods",
    );
    const away = await kubernetes("check", "--kubeconfig", "/nosuch");
    expect(away.stderr).toContain("name another with --kubeconfig or KUBECONFIG, or give the pods");
    expect(away.code).not.toBe(0);
  });
});

test("injector refuses flags that cannot be meant, before it starts", async () => {
  for (const [flag, value] of [
    ["--port", "x"],
    ["--certificate-lifetime", "5s"],
    ["--log-level", "loud"],
    ["--run-as-user", "root"],
    ["--host", "no host"],
  ])
    expect((await kubernetes("injector", flag ?? "", value ?? "")).code, flag).toBe(2);
});

test("injector names the flags of a port that it cannot have", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  try {
    const { code, stderr } = await kubernetes("injector", "--port", String(port));
    expect([code, stderr]).toEqual([
      69,
      expect.stringContaining(
        `cannot listen on 127.0.0.1:${port}: another process listens there; end it, or choose another port by --port`,
      ),
    ]);
  } finally {
    taken.close();
  }
});

test("the chart and its settings are of this version", () => {
  const chart = join(import.meta.dirname, "../../deploy/helm/cufflink");
  const text = readFileSync(join(chart, "Chart.yaml"), "utf8");
  expect(text).toContain(`\nversion: ${version}\nappVersion: ${version}\n`);
});
