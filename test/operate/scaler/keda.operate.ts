// `cufflink scaler`, asked by KEDA's own generated client over grpc-go, with no app anywhere.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { redisClient } from "../../bindings/redis/redis.streams/contract-source.ts";
import { makeCertificates } from "../../bindings/certificates.ts";
import { Command, root } from "../../cli/command.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { buildGoProgram, goProgram } from "../../servers/go-program.ts";
import { installKinds, kubePlace } from "../kubernetes/cluster.ts";
import { record } from "../record.ts";

const run = promisify(execFile);
const soon = { timeout: 20_000, interval: 50 };
const folder = mkdtempSync(join(tmpdir(), "cufflink-keda-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => buildGoProgram("keda-client", { below: import.meta.dirname }), 900_000);

describeWith("redis", (redis) => {
  async function start(more: readonly string[] = []) {
    const stream = uniqueName("orders");
    const own = mkdtempSync(join(folder, "components-"));
    writeFileSync(
      join(own, "orders.yaml"),
      [
        ...["apiVersion: dapr.io/v1alpha1", "kind: Component", "metadata: {name: orders}", "spec:"],
        ...["  type: bindings.redis.streams", "  version: v1", "  metadata:"],
        ...[`    - {name: redisHost, value: "${redis.host}:${redis.port}"}`],
        ...['    - {name: redisPassword, value: ""}', `    - {name: stream, value: ${stream}}`],
        ...["    - {name: consumerGroup, value: shop}", "    - {name: startFrom, value: oldest}"],
      ].join("\n"),
    );
    const command = new Command([
      ...["scaler", "--app-id", "shop", "--resources-path", own, "--port", "0"],
      ...["--listen-addresses", "127.0.0.1", "--log-as-json", "--max-age", "50ms"],
      ...["--interval", "100ms", ...more],
    ]);
    const port = (await command.printed(/"port":(\d+)/))[1];
    await command.printed(/ready: the components were read/);
    const client = redisClient(redis);
    const metadata = "component=orders,backlogPerReplica=2.5,activationBacklog=2";
    const asking = [`--address=localhost:${port}`, `--metadata=${metadata}`];
    return { client, stream, command, asking, port };
  }

  test("KEDA's client is told targets, backlogs and whether there is work", async () => {
    const { client, stream, command, asking, port } = await start();
    const ask = async (): Promise<unknown[]> => {
      const { stdout } = await run(goProgram("keda-client", import.meta.dirname), asking);
      return stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown);
    };
    const metric = { metric: "cufflink-orders", target: 2.5 };
    expect(await ask()).toEqual([{ ...metric, value: 0 }, false]);
    for (const text of ["a", "b", "c"]) await client.xadd(stream, "*", "data", text);
    await expect.poll(ask, soon).toEqual([{ ...metric, value: 3 }, true]);
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    command.signal("SIGTERM");
    expect(await command.exited).toBe(0);
    await record("keda", { client: "github.com/kedacore/keda/v2 v2.21.0" });
  });

  test("over TLS it is pushed each change", async () => {
    const made = makeCertificates();
    const { caPath, server } = made;
    onTestFinished(() => made.remove());
    const tls = ["--tls-cert", server.certPath, "--tls-key", server.keyPath];
    const { client, stream, asking } = await start(tls);
    const child = execFile(goProgram("keda-client", import.meta.dirname), [
      ...[...asking, "--push", `--ca=${caPath}`],
    ]);
    onTestFinished(() => void child.kill("SIGKILL"));
    let told = "";
    let failed = "";
    child.stdout?.on("data", (chunk) => (told += String(chunk)));
    child.stderr?.on("data", (chunk) => (failed += String(chunk)));
    await expect.poll(() => told + failed, soon).toBe("2.5\nfalse\n");
    for (const text of ["a", "b", "c"]) await client.xadd(stream, "*", "data", text);
    await expect.poll(() => told, soon).toBe("2.5\nfalse\ntrue\n");
    await client.del(stream);
    await expect.poll(() => told, soon).toBe("2.5\nfalse\ntrue\nfalse\n");
  });
});

const kedas = { name: "github.com/kedacore/keda/v2", version: "v2.21.0" };
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

describeWith("kube", { own: true }, (server) => {
  test("in Kubernetes mode it needs the sidecar's rights, and the ScaledObject is one by KEDA's own definition", async () => {
    await installKinds(server);
    const place = await kubePlace(server);
    const files = mkdtempSync(join(folder, "inbox-"));
    writeFileSync(join(files, "one.txt"), "1");
    const spec = {
      ...{ type: "bindings.file", version: "v1" },
      metadata: [
        { name: "folder", secretKeyRef: { name: "paths", key: "inbox" } },
        { name: "direction", value: "input" },
      ],
    };
    await place.secret("paths", { inbox: files });
    await place.grant(
      stringify({
        apiVersion: "dapr.io/v1alpha1",
        kind: "Component",
        metadata: { name: "inbox" },
        spec,
      }),
    );
    await place.make("Component", "inbox", { spec });
    const command = new Command([
      ...["scaler", "--app-id", "orders", "--mode", "kubernetes", "--kubeconfig", place.kubeconfig],
      ...["--port", "0", "--listen-addresses", "127.0.0.1", "--log-as-json"],
    ]);
    const port = (await command.printed(/"port":(\d+)/))[1];
    const ask = async (namespace: string): Promise<string> => {
      const asking = [`--address=localhost:${port}`, `--metadata=component=inbox${namespace}`];
      return run(goProgram("keda-client", import.meta.dirname), asking).then(
        ({ stdout }) => stdout,
        (error: unknown) => String(error),
      );
    };
    await expect
      .poll(() => ask(`,namespace=${place.namespace}`), { timeout: 60_000, interval: 100 })
      .toBe('{"metric":"cufflink-inbox","target":10,"value":1}\ntrue\n');
    expect(await ask("")).toContain(`the components of the namespace ${place.namespace}`);
    expect(command.stdout).not.toContain("resources cannot be read");
    const { stdout } = await run(
      ...([
        "/usr/local/go/bin/go",
        ["mod", "download", "-json", `${kedas.name}@${kedas.version}`],
      ] as const),
      {
        cwd: join(import.meta.dirname, "keda-client"),
        env: { ...process.env, GOFLAGS: "-mod=mod" },
      },
    );
    const { Dir } = JSON.parse(stdout) as { Dir: string };
    const definition = readFileSync(
      join(Dir, "config/crd/bases/keda.sh_scaledobjects.yaml"),
      "utf8",
    );
    await place.ask("POST", definitions, parse(definition) as object);
    const scaledObject = parse(
      readFileSync(join(root, "deploy/keda/scaledobject.yaml"), "utf8"),
    ) as { metadata: object };
    const path = `/apis/keda.sh/v1alpha1/namespaces/${place.namespace}/scaledobjects?fieldValidation=Strict`;
    const body = { ...scaledObject, metadata: { name: "orders" } };
    await expect
      .poll(() => place.ask("POST", path, body).then(() => "made", String), {
        timeout: 60_000,
        interval: 200,
      })
      .toBe("made");
  }, 300_000);
});
