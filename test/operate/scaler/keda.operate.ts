// `cufflink scaler`, asked by KEDA's own generated client over grpc-go, with no app anywhere.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { redisClient } from "../../bindings/redis/redis.streams/contract-source.ts";
import { makeCertificates } from "../../bindings/certificates.ts";
import { Command } from "../../cli/command.ts";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { buildGoProgram, goProgram } from "../../servers/go-program.ts";
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
    const { caPath, server, remove } = makeCertificates();
    onTestFinished(remove);
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
