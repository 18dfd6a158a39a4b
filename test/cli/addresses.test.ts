import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { createApp } from "../../src/sdk/index.ts";
import { makeCertificates } from "../bindings/certificates.ts";
import { component, folder } from "../resources/folder.ts";
import { until } from "../until.ts";
import { Command, root } from "./command.ts";
import { cufflinkHere } from "./in-process.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());

const tick = component("tick", "bindings.cron", '- {name: schedule, value: "@yearly"}');
const tls = ["--tls-cert", certificates.server.certPath, "--tls-key", certificates.server.keyPath];

/** Serves `tick` beside an app of two lines, which knows of the runtime what its environment says. */
async function runApp(args: readonly string[]): Promise<Command> {
  const script = join(folder({}), "app.ts");
  writeFileSync(
    script,
    `import { createApp } from ${JSON.stringify(join(root, "src/sdk/index.ts"))};
     const app = createApp();
     app.on("tick", () => ({ data: process.env.DAPR_GRPC_ENDPOINT + " " + process.env.DAPR_GRPC_PORT }));
     await app.start();`,
  );
  const flags = [
    "--app-id",
    "shop",
    "--enable-metrics=false",
    "--resources-path",
    folder({ "a.yaml": tick }),
  ];
  const command = new Command(["run", ...flags, ...args, "--", process.execPath, script], {
    env: { DAPR_GRPC_ENDPOINT: "another:1", NODE_EXTRA_CA_CERTS: certificates.caPath },
  });
  await command.printed(/the app takes events by a stream/);
  return command;
}

test("a runtime on Unix sockets is operated by its commands, and found by the app beside it", async () => {
  const sockets = mkdtempSync(join(tmpdir(), "cufflink-addresses-"));
  onTestFinished(() => rmSync(sockets, { recursive: true, force: true }));
  await runApp(["--unix-domain-socket", relative(root, sockets)]);
  const socket = join(sockets, "dapr-shop-grpc.socket");
  for (const address of [
    `unix:${socket}`,
    `unix://${socket}`,
    `unix:${relative(process.cwd(), socket)}`,
  ]) {
    const emitted = await cufflinkHere(["emit", "tick", "--address", address]);
    expect(emitted).toMatchObject({ code: 0, stdout: `unix:${socket} undefined` });
  }
  // Each socket speaks all protocols, and the environment may say which.
  const DAPR_GRPC_ENDPOINT = `unix:${join(sockets, "dapr-shop-http.socket")}`;
  for (const words of [
    ["components"],
    ["components", "pause", "tick"],
    ["why", "x"],
    ["dead-letters"],
    ["reload"],
  ]) {
    const { stderr } = await cufflinkHere(words, { DAPR_GRPC_ENDPOINT });
    expect(stderr).not.toContain("no runtime answers");
  }
  expect((await cufflinkHere(["components"], { DAPR_GRPC_ENDPOINT })).stdout).toContain("paused");
  const secure = await cufflinkHere(["components", "--insecure"], { DAPR_GRPC_ENDPOINT });
  expect(secure).toMatchObject({
    code: 69,
    stderr: expect.stringContaining("it does not speak TLS there") as string,
  });
  await using app = createApp({ runtime: DAPR_GRPC_ENDPOINT, log: () => undefined });
  await expect(app.invoke("nosuch", "get")).rejects.toThrow(/nosuch/);
});

test("a runtime that speaks TLS is operated with --ca or --insecure, on a socket too", async () => {
  const sockets = mkdtempSync(join(tmpdir(), "cufflink-addresses-"));
  onTestFinished(() => rmSync(sockets, { recursive: true, force: true }));
  await runApp(["--unix-domain-socket", sockets, ...tls]);
  const socket = join(sockets, "dapr-shop-grpc.socket");
  const address = ["--address", `unix:${socket}`];
  for (const trust of [["--ca", certificates.caPath], ["--insecure"]]) {
    const { stdout } = await cufflinkHere(["emit", "tick", ...address, ...trust]);
    expect(stdout).toBe(`unix:${socket}?tls=true undefined`);
  }
  await using app = createApp({ runtime: `unix:${socket}`, ca: certificates.ca });
  app.on("tick", () => ({ data: "trusting" }));
  await app.start();
  await until(() => app.connected, { what: "the app's stream" });
  const untrusting = await cufflinkHere(["components", "--address", `unix:${socket}?tls=true`]);
  expect(untrusting).toMatchObject({
    code: 69,
    stderr: expect.stringContaining("say --ca FILE") as string,
  });
  const plain = await cufflinkHere(["components", ...address]);
  expect(plain).toMatchObject({
    code: 69,
    stderr: expect.stringContaining("if it speaks TLS there") as string,
  });
});

test.each([
  ["TLS", tls],
  ["cleartext", []],
])(
  "an app beside a runtime on ports finds it by %s, whatever the environment names",
  async (_, args) => {
    const ports = ["--dapr-http-port=0", "--dapr-grpc-port=0"];
    const command = await runApp([...ports, "--dapr-listen-addresses=127.0.0.1", ...args]);
    expect(command.stdout).toContain("the app takes events by a stream");
  },
);

test("what is no address names the forms, and what is no file the flag", async () => {
  expect(await cufflinkHere(["components", "--address", "unix://nosuch"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("host:port, https://host:port or unix:path") as string,
  });
  expect(await cufflinkHere(["components"], { DAPR_GRPC_ENDPOINT: "a:b" })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("DAPR_GRPC_ENDPOINT") as string,
  });
  expect(await cufflinkHere(["components", "--ca", "/nosuch"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--ca") as string,
  });
  const gone = await cufflinkHere(["components", "--address", "unix:/nosuch.socket"]);
  expect(gone).toMatchObject({
    code: 69,
    stderr: expect.stringContaining("no runtime answers at unix:/nosuch.socket") as string,
  });
  expect(() => createApp({ runtime: "unix:" })).toThrow(/unix:path/);
  expect(() => createApp({ ca: "x", insecure: true })).toThrow(/contradict/);
});
