import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { parseAllDocuments } from "yaml";
import { cufflinkHere } from "../../cli/in-process.ts";
import { Command } from "../../cli/command.ts";
import { askKube } from "../../servers/kube-client.ts";
import type { OwnServer } from "../../servers/kinds.ts";
import { releasePort, reservePort } from "../../servers/ports.ts";
import { uniqueName } from "../../servers/unique-name.ts";
import { until } from "../../until.ts";

type Kube = OwnServer<"kube">;

const kinds = [
  ["Component", "components", "component"],
  ["Resiliency", "resiliencies", "resiliency"],
  ["Configuration", "configurations", "configuration"],
] as const;

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** Installs Dapr's kinds, as far as their names go: what they hold is not checked. */
export async function installKinds(server: Kube): Promise<void> {
  for (const [kind, plural, singular] of kinds) {
    const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    await askKube(server, "POST", definitions, {
      ...{ apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" },
      metadata: { name: `${plural}.dapr.io` },
      spec: {
        ...{ group: "dapr.io", scope: "Namespaced", names: { kind, plural, singular } },
        versions: [
          { name: "v1alpha1", served: true, storage: true, schema: { openAPIV3Schema: open } },
        ],
      },
    });
  }
  for (const [, plural] of kinds)
    await until(
      async () => {
        const found = (await askKube(server, "GET", `${definitions}/${plural}.dapr.io`)) as {
          status?: { conditions?: { type: string; status: string }[] };
        };
        return (found.status?.conditions ?? []).some(
          ({ type, status }) => type === "Established" && status === "True",
        );
      },
      { what: `the kind ${plural}`, within: 60_000 },
    );
}

/** A namespace with a service account, whose token is a file of a kubeconfig. `port`: of a proxy before the server. */
export async function kubePlace(server: Kube, port = server.port) {
  const namespace = uniqueName("shop").toLowerCase();
  const folder = mkdtempSync(join(tmpdir(), "cufflink-kube-mode-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const ask = (method: string, path: string, body?: object) => askKube(server, method, path, body);
  const core = `/api/v1/namespaces/${namespace}`;
  const dapr = `/apis/dapr.io/v1alpha1/namespaces/${namespace}`;
  await ask("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  const makeAccount = () =>
    ask("POST", `${core}/serviceaccounts`, { metadata: { name: "orders" } });
  const writeToken = async (): Promise<void> => {
    const { status } = (await ask("POST", `${core}/serviceaccounts/orders/token`, {
      spec: { expirationSeconds: 3600 },
    })) as { status: { token: string } };
    writeFileSync(join(folder, "token"), status.token);
  };
  await makeAccount();
  await writeToken();
  writeFileSync(join(folder, "ca.crt"), server.certificate);
  const lines = [
    "current-context: here",
    `contexts: [{name: here, context: {cluster: c, user: u, namespace: ${namespace}}}]`,
    `clusters: [{name: c, cluster: {server: "https://127.0.0.1:${port}", certificate-authority: ca.crt}}]`,
    "users: [{name: u, user: {tokenFile: token}}]",
  ];
  const kubeconfig = join(folder, "config");
  writeFileSync(kubeconfig, lines.join("\n"));
  const pluralOf = (kind: string): string => kinds.find(([own]) => own === kind)?.[1] ?? "";
  return {
    ...{ namespace, folder, kubeconfig, ask, core, writeToken, makeAccount },
    removeAccount: () => ask("DELETE", `${core}/serviceaccounts/orders`),
    make: (kind: string, name: string, rest: object) =>
      ask("POST", `${dapr}/${pluralOf(kind)}`, {
        ...{ apiVersion: "dapr.io/v1alpha1", kind, metadata: { name, namespace }, ...rest },
      }),
    async change(kind: string, name: string, rest: object): Promise<void> {
      const path = `${dapr}/${pluralOf(kind)}/${name}`;
      await ask("PUT", path, { ...((await ask("GET", path)) as object), ...rest });
    },
    remove: (kind: string, name: string) => ask("DELETE", `${dapr}/${pluralOf(kind)}/${name}`),
    secret: (name: string, stringData: Readonly<Record<string, string>>) =>
      ask("POST", `${core}/secrets`, { metadata: { name }, stringData }),
    /** Gives the service account what `cufflink kubernetes roles` prints for these components, as YAML. */
    async grant(components: string, ...flags: readonly string[]): Promise<void> {
      const file = join(folder, "components.yaml");
      writeFileSync(file, components);
      const { stdout, stderr } = await cufflinkHere([
        ...["kubernetes", "roles", file, "--app-id", "orders", "-n", namespace],
        ...["--service-account", "orders", ...flags],
      ]);
      if (stdout === "") throw new Error(stderr);
      for (const document of parseAllDocuments(stdout)) {
        const object = (document as { toJS(): unknown }).toJS() as { kind: string };
        const plural = object.kind === "Role" ? "roles" : "rolebindings";
        const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/${plural}`;
        await ask("POST", path, object);
      }
    },
  };
}

/** The program, as it is started in a pod, but for the kubeconfig. */
export async function serveInKubernetes(kubeconfig: string, ...more: readonly string[]) {
  const [http, grpc] = [await reservePort(), await reservePort()];
  onTestFinished(async () => {
    await releasePort(http);
    await releasePort(grpc);
  });
  const command = new Command([
    ...["serve", "--mode", "kubernetes", "--app-id", "orders", "--enable-metrics=false"],
    ...["--dapr-listen-addresses", "127.0.0.1", "--kubeconfig", kubeconfig, "--log-as-json"],
    ...[`--dapr-http-port=${http}`, `--dapr-grpc-port=${grpc}`, ...more],
  ]);
  const get = (path: string) => fetch(`http://127.0.0.1:${http}${path}`);
  const components = async (): Promise<readonly string[]> => {
    const answer = await get("/v1.0/metadata").catch(() => undefined);
    const found = ((await answer?.json()) ?? {}) as { components?: { name: string }[] };
    return (found.components ?? []).map(({ name }) => name);
  };
  return {
    ...{ command, get, components },
    list: (name: string) =>
      fetch(`http://127.0.0.1:${http}/v1.0/bindings/${name}`, {
        ...{ method: "POST", body: '{"operation":"list"}' },
      }),
    untilComponents: (wanted: (names: readonly string[]) => boolean, what: string) =>
      until(async () => wanted(await components()), {
        ...{ what: () => `${what}:\n${command.stdout.slice(-4000)}`, within: 60_000, every: 10 },
      }),
    /** What the process has used: memory in MiB, and seconds of CPU. */
    usage() {
      const file = (name: string) => readFileSync(`/proc/${command.child.pid}/${name}`, "utf8");
      const [, kibibytes = "0"] = /VmRSS:\s+(\d+)/.exec(file("status")) ?? [];
      const ticks = file("stat").split(") ")[1]?.split(" ") ?? [];
      return {
        mebibytes: Math.round(Number(kibibytes) / 1024),
        seconds: (Number(ticks[11]) + Number(ticks[12])) / 100,
      };
    },
  };
}
