// The Helm chart, the webhook and the injected workloads against a real API server, which calls the webhook.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "../../../src/kubernetes/inject/json.ts";
import { objectAt, objectsAt } from "../../../src/kubernetes/inject/json.ts";
import { Command, root } from "../../cli/command.ts";
import { asking, at, deployment } from "../../kubernetes/inject/objects.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { installHelm, runHelm, runKubeconform } from "../../servers/helm.ts";
import { askKube, writeKubeconfig } from "../../servers/kube-client.ts";
import { reservePort } from "../../servers/ports.ts";
import { until } from "../../until.ts";
import { record } from "../record.ts";

const chart = join(root, "deploy/helm/cufflink");
const namespace = "cufflink";
const name = "cufflink-injector";
const webhooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const folder = mkdtempSync(join(tmpdir(), "cufflink-chart-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => installHelm(), 900_000);

test("helm lint finds nothing", async () => {
  const { stdout } = await runHelm(join(folder, "none"), ["lint", "--strict", "--quiet", chart]);
  expect(stdout).not.toMatch(/ERROR|WARNING/);
});

test("helm template | kubeconform --strict finds nothing, also with all values", async () => {
  const values = join(folder, "values.yaml");
  writeFileSync(
    values,
    [
      "replicas: 1",
      "imagePullSecrets: [{name: pull}]",
      "sidecar: {image: mine:1, imagePullPolicy: Always, runAsUser: none}",
      "serviceAccount: {name: mine, annotations: {a: b}}",
      "podAnnotations: {a: b}",
      "podLabels: {c: d}",
      "priorityClassName: system-cluster-critical",
      "nodeSelector: {kubernetes.io/os: linux}",
      "tolerations: [{operator: Exists}]",
      "affinity: {nodeAffinity: {}}",
    ].join("\n"),
  );
  const template = ["template", "cufflink", chart, "--kube-version", "1.34.4", "--include-crds"];
  for (const more of [[], ["--values", values]]) {
    const { stdout } = await runHelm(join(folder, "none"), [...template, ...more]);
    const summary = await runKubeconform(folder, stdout);
    expect(summary).toMatch(/Valid: (9|10), Invalid: 0, Errors: 0, Skipped: 0/);
  }
  await record("helm chart", { helm: "v3.22.0", kubeconform: "v0.8.0", schemas: "1.34.0" });
});

test("a large user of a values file is written as a number, and a release's name may have dots", async () => {
  const values = join(folder, "openshift.yaml");
  writeFileSync(values, "sidecar: {runAsUser: 1000650000}\n");
  const template = ["template", "shop.eu", chart, "--kube-version", "1.34.4", "--values", values];
  const { stdout } = await runHelm(join(folder, "none"), template);
  expect(stdout).toContain("- --run-as-user=1000650000\n");
  expect(stdout).toContain("- --service=shop-eu-cufflink-injector\n");
  expect(stdout).not.toMatch(/^ *name: \S*\./m);
});

test("the scaler of each app, in its namespace, and the plain manifests: kubeconform finds nothing", async () => {
  const values = join(folder, "scaler.yaml");
  const apps = [
    "{appId: orders, namespace: shop, secrets: [kafka, tls], tlsSecret: orders-scaler-tls}",
    "{appId: bills, namespace: office, serviceAccount: mine}",
  ];
  writeFileSync(values, `scaler: {enabled: true, replicas: 2, apps: [${apps.join(", ")}]}\n`);
  const { stdout } = await runHelm(join(folder, "none"), [
    ...["template", "cufflink", chart, "--kube-version", "1.34.4", "--values", values],
    ...["--show-only", "templates/scaler.yaml"],
  ]);
  expect(await runKubeconform(folder, stdout)).toMatch(/Valid: 9, Invalid: 0, Errors: 0/);
  const plain = readFileSync(join(root, "deploy/keda/scaler.yaml"), "utf8");
  expect(await runKubeconform(folder, plain)).toMatch(/Valid: 3, Invalid: 0, Errors: 0/);
});

test("values that the schema does not know are refused", async () => {
  const template = ["template", "cufflink", chart, "--kube-version", "1.34.4"];
  for (const wrong of [
    "replicas=0",
    "sidecar.runAsUser=0",
    "image.pullPolicy=Sometimes",
    "x=1",
    "scaler.apps[0].appId=A",
  ])
    await expect(
      runHelm(join(folder, "none"), [...template, "--set", wrong]),
      wrong,
    ).rejects.toThrow(/values don't meet the specifications/);
});

describeWith("kube", { own: true, serviceAccounts: true }, (server) => {
  let kubeconfig = "";
  const ask = (method: string, path: string, body?: object) =>
    askKube(server, method, path, body) as Promise<JsonObject>;
  const startInjector = async (port: number): Promise<Command> => {
    const account = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const token = at(await ask("POST", account, { spec: { expirationSeconds: 3600 } }), "status");
    const own = writeKubeconfig(server, folder, server.url, token["token"] as string);
    const injector = new Command([
      ...["kubernetes", "injector", "--kubeconfig", own, "--namespace", namespace],
      ...["--port", String(port), "--image", "cufflink:here", "--shutdown-delay", "0s"],
    ]);
    await injector.printed(/the injector listens/);
    return injector;
  };
  const bundleOf = async (): Promise<string> => {
    const [webhook] = objectsAt(await ask("GET", `${webhooks}/${name}`), "webhooks");
    const bundle = objectAt(webhook ?? {}, "clientConfig")?.["caBundle"] ?? "";
    return Buffer.from(bundle as string, "base64").toString();
  };
  const makeNamespace = async (within: string, labels: object = {}): Promise<void> => {
    await ask("POST", "/api/v1/namespaces", { metadata: { name: within, labels } });
    await ask("POST", `/api/v1/namespaces/${within}/serviceaccounts`, {
      metadata: { name: "default" },
    });
  };
  const pod = (podName: string, annotations: object, spec: object = {}) => ({
    metadata: { name: podName, annotations },
    spec: { containers: [{ name: "app", image: "app:1" }], ...spec },
  });
  /** The namespace's pods are injected from now on; the API server hears of it a moment later. */
  const makePod = (within: string, body: object): Promise<JsonObject> =>
    ask("POST", `/api/v1/namespaces/${within}/pods`, body);

  beforeAll(async () => {
    kubeconfig = writeKubeconfig(server, folder, server.url, server.ownerToken);
    // One of the definitions is there already, as where Dapr is.
    const { parse } = await import("yaml");
    const text = readFileSync(join(chart, "crds/configurations.yaml"), "utf8");
    const there = parse(text) as JsonObject;
    at(there, "metadata")["labels"] = { "app.kubernetes.io/part-of": "dapr" };
    await ask("POST", crds, there);
    await runHelm(kubeconfig, [
      ...["install", "cufflink", chart, "--namespace", namespace, "--create-namespace"],
    ]);
  }, 120_000);

  test("helm install makes what is missing, and leaves a definition that is there", async () => {
    const all = objectsAt(await ask("GET", crds), "items");
    expect(all.map((one) => at(one, "metadata")["name"])).toEqual([
      "components.dapr.io",
      "configurations.dapr.io",
      "resiliencies.dapr.io",
    ]);
    expect(at(await ask("GET", `${crds}/configurations.dapr.io`), "metadata", "labels")).toEqual({
      "app.kubernetes.io/part-of": "dapr",
    });
    await until(
      async () => {
        const status = at(await ask("GET", `${crds}/components.dapr.io`), "status");
        return (
          JSON.stringify(status).includes('"Established","status":"True"') ||
          JSON.stringify(status).includes('"status":"True","type":"Established"')
        );
      },
      { what: "the definition of components" },
    );
    const component = {
      ...{ apiVersion: "dapr.io/v1alpha1", kind: "Component", metadata: { name: "orders" } },
      spec: {
        type: "bindings.cron",
        version: "v1",
        metadata: [{ name: "schedule", value: "@daily" }],
      },
      scopes: ["orders"],
    };
    const path = "/apis/dapr.io/v1alpha1/namespaces/default/components";
    expect(await ask("POST", `${path}?fieldValidation=Strict`, component)).toMatchObject(component);
    await runHelm(kubeconfig, ["upgrade", "cufflink", chart, "--namespace", namespace]);
    expect(await ask("GET", `${path}/orders`)).toMatchObject(component);
  });

  test("its role allows the one configuration, and nothing else", async () => {
    const allowed = async (attributes: object): Promise<unknown> => {
      const review = await ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
        spec: {
          user: `system:serviceaccount:${namespace}:${name}`,
          groups: ["system:serviceaccounts", "system:authenticated"],
          resourceAttributes: attributes,
        },
      });
      return at(review, "status")["allowed"];
    };
    const group = "admissionregistration.k8s.io";
    const resource = "mutatingwebhookconfigurations";
    for (const verb of ["get", "patch"])
      expect(await allowed({ group, resource, name, verb }), verb).toBe(true);
    for (const verb of ["list", "watch", "create", "update", "delete"])
      expect(await allowed({ group, resource, name, verb }), verb).toBe(false);
    expect(await allowed({ group, resource, name: "other", verb: "patch" })).toBe(false);
    for (const verb of ["get", "list", "watch"])
      expect(await allowed({ resource: "secrets", namespace, verb }), verb).toBe(false);
  });

  test("the API server calls it: a pod gets the native sidecar", { timeout: 120_000 }, async () => {
    const port = await reservePort();
    // There is nothing here that leads a Service to a pod. By another type of Service the API server finds the injector
    // on this machine, and still asks for the certificate of the Service's name.
    const services = `/api/v1/namespaces/${namespace}/services`;
    await ask("DELETE", `${services}/${name}`);
    await ask("POST", services, {
      metadata: { name },
      spec: { type: "ExternalName", externalName: "localhost", ports: [{ port }] },
    });
    const injected = { "cufflink-runtime.github.io/inject": "enabled" };
    await makeNamespace("shop", injected);
    await makeNamespace("other");
    const configuration = await ask("GET", `${webhooks}/${name}`);
    for (const webhook of objectsAt(configuration, "webhooks"))
      at(webhook, "clientConfig", "service")["port"] = port;
    await ask("PUT", `${webhooks}/${name}`, configuration);

    // Nobody answers: a pod that asks is refused, others are not.
    await until(
      () =>
        makePod("shop", pod("early", asking())).then(
          () =>
            ask("DELETE", "/api/v1/namespaces/shop/pods/early?gracePeriodSeconds=0").then(
              () => false,
            ),
          (error: Error) => error.message.includes("failed calling webhook"),
        ),
      { what: "the webhook to be required" },
    );
    await makePod("shop", pod("plain", {}));

    const injector = await startInjector(port);
    await until(async () => (await bundleOf()) !== "", { what: "the certificate" });
    const made: { pod?: JsonObject } = {};
    await until(
      () =>
        makePod("shop", pod("orders", asking({ "app-port": "8080" }))).then(
          (answer) => ((made.pod = answer), true),
          () => false,
        ),
      { what: "a pod with the sidecar", within: 30_000 },
    );
    const spec = at(made.pod ?? {}, "spec");
    const [first] = objectsAt(spec, "initContainers");
    expect(first).toMatchObject({
      ...{ name: "cufflink", image: "cufflink:here", restartPolicy: "Always" },
      lifecycle: { preStop: { exec: { command: expect.arrayContaining(["stop-inputs"]) } } },
    });
    // Admission had put the token into the app before the webhook was called.
    expect(spec["automountServiceAccountToken"]).toBe(false);
    const [app] = objectsAt(spec, "containers");
    expect(app?.["volumeMounts"]).toBeUndefined();
    expect(JSON.stringify(spec)).not.toContain("kube-api-access");
    expect(JSON.stringify(first)).toContain("/var/run/secrets/kubernetes.io/serviceaccount");

    await expect(
      makePod("shop", pod("both", asking(), { containers: [{ name: "daprd", image: "d" }] })),
    ).rejects.toThrow(/a container named daprd/);
    const elsewhere = await makePod("other", pod("orders", asking()));
    expect(at(elsewhere, "spec")["initContainers"]).toBeUndefined();
    expect(JSON.stringify(elsewhere)).toContain("kube-api-access");

    // What the webhook costs the making of a pod.
    const times = { with: [] as number[], without: [] as number[] };
    for (let index = 0; index < 40; index++) {
      const isWith = index % 2 === 0;
      const body = pod(`timed-${index}`, isWith ? asking() : {});
      const began = performance.now();
      await ask("POST", "/api/v1/namespaces/shop/pods?dryRun=All", body);
      times[isWith ? "with" : "without"].push(performance.now() - began);
    }
    const median = (all: number[]): number =>
      Number((all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0).toFixed(1));
    const { gitVersion } = (await ask("GET", "/version")) as { gitVersion: string };
    await record("webhook", {
      kubernetes: gitVersion,
      millisecondsForAPodWithSidecar: median(times.with),
      millisecondsForAPodWithout: median(times.without),
    });

    // What is missing is found.
    const check = new Command(["kubernetes", "check", "--kubeconfig", kubeconfig, "--json"]);
    expect(await check.exited).toBe(1);
    expect(JSON.parse(check.stdout)).toEqual({
      pods: [
        { pod: "other/orders", namespace: "other", appId: "orders", sidecar: "missing" },
        { pod: "shop/orders", namespace: "shop", appId: "orders", sidecar: "native" },
      ],
      missing: 1,
    });

    // A second replica is trusted beside the first; one that ends takes its certificate with it.
    const before = await bundleOf();
    const second = await startInjector(await reservePort());
    await until(async () => (await bundleOf()).length > before.length, {
      what: "two certificates",
    });
    expect(await bundleOf()).toContain(before);
    second.signal("SIGTERM");
    expect(await second.exited).toBe(0);
    expect(await bundleOf()).toBe(before);
    injector.signal("SIGTERM");
    expect(await injector.exited).toBe(0);
    expect(await bundleOf()).toBe("");
  });

  test("each injected workload passes a strict dry run", async () => {
    await makeNamespace("dry");
    const annotations = asking({
      ...{ "app-port": "8080", "sidecar-memory-limit": "128Mi", "api-token-secret": "token" },
      ...{ "unix-domain-socket-path": "/sockets", "volume-mounts": "data:/data" },
      ...{ env: "A=1", "env-from-secret": "B=secret:b", "pluggable-components": "store" },
    });
    const template = {
      metadata: { labels: { app: "orders" }, annotations },
      spec: {
        containers: [
          { name: "app", image: "app:1" },
          { name: "store", image: "store:1" },
        ],
        volumes: [{ name: "data", emptyDir: {} }],
      },
    };
    const job = { ...template, spec: { ...template.spec, restartPolicy: "Never" } };
    const selector = { matchLabels: { app: "orders" } };
    const kinds: [string, string, JsonObject][] = [
      ["apis/apps/v1", "Deployment", at(deployment(annotations), "spec")],
      ["apis/apps/v1", "Deployment", { selector, template }],
      ["apis/apps/v1", "StatefulSet", { selector, template, serviceName: "orders" }],
      ["apis/apps/v1", "DaemonSet", { selector, template }],
      ["apis/apps/v1", "ReplicaSet", { selector, template }],
      ["api/v1", "ReplicationController", { selector: { app: "orders" }, template }],
      ["apis/batch/v1", "Job", { template: job }],
      [
        "apis/batch/v1",
        "CronJob",
        { schedule: "@daily", jobTemplate: { spec: { template: job } } },
      ],
      ["api/v1", "Pod", template.spec],
    ];
    for (const [group, kind, spec] of kinds) {
      const apiVersion = group.replace(/^apis?\//, "");
      const metadata = kind === "Pod" ? { name: "orders", annotations } : { name: "orders" };
      const file = join(folder, "workload.json");
      writeFileSync(file, JSON.stringify({ apiVersion, kind, metadata, spec }));
      const inject = new Command(["kubernetes", "inject", "-f", file, "--image", "cufflink:here"]);
      expect(await inject.exited, inject.stderr).toBe(0);
      const injected = JSON.parse(inject.stdout) as JsonObject;
      const path = `/${group}/namespaces/dry/${kind.toLowerCase()}s`;
      const answer = await ask("POST", `${path}?dryRun=All&fieldValidation=Strict`, injected);
      expect(JSON.stringify(answer), kind).toContain('"restartPolicy":"Always"');
    }
  });

  test("helm uninstall leaves the definitions and what is in them", async () => {
    await runHelm(kubeconfig, ["uninstall", "cufflink", "--namespace", namespace]);
    await expect(ask("GET", `${webhooks}/${name}`)).rejects.toThrow(/not found/);
    const path = "/apis/dapr.io/v1alpha1/namespaces/default/components/orders";
    expect(await ask("GET", path)).toMatchObject({ kind: "Component" });
  });
});
