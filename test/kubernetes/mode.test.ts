import { afterAll, expect, onTestFinished, test } from "vitest";
import { Command } from "../cli/command.ts";
import { folder } from "../resources/folder.ts";
import { releasePort, reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { certificates, clusterPlace, file } from "./place.ts";

afterAll(() => certificates.remove());

async function serving(kubeconfig: string, ...more: readonly string[]) {
  const [http, grpc] = [await reservePort(), await reservePort()];
  onTestFinished(async () => {
    await releasePort(http);
    await releasePort(grpc);
  });
  const args = [
    ...["serve", "--mode", "kubernetes", "--app-id", "orders", "--enable-metrics=false"],
    ...["--dapr-listen-addresses", "127.0.0.1", "--kubeconfig", kubeconfig],
    ...[`--dapr-http-port=${http}`, `--dapr-grpc-port=${grpc}`, "--log-as-json", ...more],
  ];
  const command = new Command(args);
  const get = (path: string, body?: object) =>
    fetch(`http://127.0.0.1:${http}${path}`, {
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
  return { command, get };
}

test("a daemon starts without the API server, is live, and takes up the resources when it comes", async () => {
  const { api, kubeconfig } = await clusterPlace("stopped");
  const ignored = ["--control-plane-address=x:80", "--sentry-address=y:80", "--resources-path=/z"];
  const { command, get } = await serving(kubeconfig, ...ignored);
  await command.printed(/cufflink initialized/);
  expect(command.stdout).toMatch(
    /"flags":\["--sentry-address","--control-plane-address","--resources-path"\]/,
  );
  expect(command.stdout).toMatch(/ECONNREFUSED.*resources cannot be read from Kubernetes/);
  expect((await get("/v1.0/healthz")).status).toBe(204);
  const early = await get("/v1.0/bindings/files", { operation: "list" });
  expect(await early.text()).toContain("the resources were not read from Kubernetes yet");
  expect(early.ok).toBe(false);
  await api.startAgain();
  const root = folder({});
  api.put("Component", "shop", "files", file(root));
  await until(
    async () => (await get("/v1.0/bindings/files", { operation: "list" })).status === 200,
    { what: "the component", within: 20_000 },
  );
  api.put("Component", "shop", "files", file(`${root}/not\u0000there`));
  await command.printed(/"outcome":"refused"/);
  expect((await get("/v1.0/bindings/files", { operation: "list" })).status).toBe(200);
  command.signal("SIGTERM");
  expect(await command.exited).toBe(0);
});
