import { describe, expect, test } from "vitest";
import { objectsAt, type JsonObject } from "../../../src/kubernetes/inject/json.ts";
import { injectWorkload } from "../../../src/kubernetes/inject/workload.ts";
import { asking, at, deployment, flag, options, podSpec, sidecar } from "./objects.ts";

function inject(object: JsonObject) {
  const { object: after, injections } = injectWorkload(object, options);
  const [injection] = injections;
  if (injection === undefined) throw new Error("there is no injection");
  return { after, ...injection };
}

describe("the sidecar", () => {
  test("is the first init container, and restarts", () => {
    const { after, outcome, name } = inject(
      deployment(asking(), { initContainers: [{ name: "migrate", image: "app:1" }] }),
    );
    expect(outcome).toBe("patched");
    expect(name).toBe("Deployment shop/orders");
    const all = objectsAt(podSpec(after), "initContainers");
    expect(all.map((one) => one["name"])).toEqual(["cufflink", "migrate"]);
    expect(sidecar(after)["restartPolicy"]).toBe("Always");
    expect(sidecar(after)["image"]).toBe("cufflink:test");
  });

  test("stops all inputs by a preStop without a shell", () => {
    const { after } = inject(
      deployment(asking({ "grpc-port": "50005", "graceful-shutdown-seconds": "20" })),
    );
    expect(at(sidecar(after), "lifecycle", "preStop")).toEqual({
      exec: {
        command: ["cufflink", "stop-inputs", "--address", "127.0.0.1:50005", "--deadline", "20s"],
      },
    });
  });

  test("has a start-up probe that asks for no component, and not for the app", () => {
    const { after } = inject(deployment(asking()));
    expect(at(sidecar(after), "startupProbe", "httpGet")).toEqual({
      path: "/v1.0/healthz",
      port: 3501,
    });
    expect(flag(sidecar(after), "dapr-public-listen-address")).toBe("$(CUFFLINK_POD_IP)");
  });

  test("has no rights of the system", () => {
    const { after } = inject(deployment(asking()));
    expect(sidecar(after)["securityContext"]).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      seccompProfile: { type: "RuntimeDefault" },
    });
  });

  test("alone has the service account's token", () => {
    const { after, warnings } = inject(deployment(asking()));
    const spec = podSpec(after);
    expect(spec["automountServiceAccountToken"]).toBe(false);
    expect(mountsOf(sidecar(after))).toContain("/var/run/secrets/kubernetes.io/serviceaccount");
    expect(objectsAt(spec, "containers").flatMap(mountsOf)).toEqual([]);
    expect(warnings).toEqual([]);
  });

  test("shares its rights with an app that asks for them, and says so", () => {
    const { after, warnings } = inject(
      deployment(asking(), { automountServiceAccountToken: true }),
    );
    expect(podSpec(after)["automountServiceAccountToken"]).toBe(true);
    expect(warnings.join()).toContain("the app shares the rights");
    const own = inject(
      deployment(asking(), {
        containers: [{ name: "app", volumeMounts: [{ name: "mine", mountPath: "/token" }] }],
        volumes: [
          { name: "mine", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } },
        ],
      }),
    );
    expect(podSpec(own.after)["automountServiceAccountToken"]).toBeUndefined();
    expect(own.warnings.join()).toContain("by the volume mine");
  });

  test("takes away the token that admission has mounted into the app", () => {
    const mount = {
      name: "kube-api-access-x7k2p",
      mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
      readOnly: true,
    };
    const token = { projected: { sources: [{ serviceAccountToken: { path: "token" } }] } };
    const { after, warnings } = inject(
      deployment(asking(), {
        containers: [{ name: "app", volumeMounts: [mount] }],
        initContainers: [{ name: "first", volumeMounts: [mount] }],
        volumes: [
          { name: mount.name, ...token },
          { name: "data", emptyDir: {} },
        ],
      }),
    );
    const spec = podSpec(after);
    expect(JSON.stringify(spec)).not.toContain("kube-api-access");
    expect(objectsAt(spec, "volumes").map((one) => one["name"])).toContain("data");
    expect(warnings).toEqual([]);
  });

  test("warns of too little time to end, and of the node's ports", () => {
    const { warnings } = inject(
      deployment(asking({ "graceful-shutdown-seconds": "30" }), { hostNetwork: true }),
    );
    expect(warnings.join("\n")).toMatch(
      /terminationGracePeriodSeconds is 30, and the end may take 35 s.*\nhostNetwork is true/,
    );
  });

  test("keeps its records in the annotated volume, also in one of a claim", () => {
    const mine = { ...asking(), "cufflink-runtime.github.io/state-volume": "records" };
    const set = { ...deployment(mine), kind: "StatefulSet" };
    expect(inject(set).reasons).toEqual([
      "cufflink-runtime.github.io/state-volume names the volume records, which the pod does not have",
    ]);
    at(set, "spec")["volumeClaimTemplates"] = [{ metadata: { name: "records" } }];
    const { after } = inject(set);
    expect(objectsAt(sidecar(after), "volumeMounts")[0]).toEqual({
      name: "records",
      mountPath: "/state",
    });
    expect(objectsAt(podSpec(after), "volumes").map((one) => one["name"])).not.toContain(
      "cufflink-state",
    );
  });
});

describe("what is refused", () => {
  const refused = (object: JsonObject): string => {
    const { after, outcome, reasons } = inject(object);
    expect(outcome).toBe("refused");
    expect(after).toEqual(object);
    return reasons.join("\n");
  };

  test("a pod that has a daprd container", () => {
    const containers = [{ name: "app" }, { name: "daprd", image: "daprio/daprd:1.18.3" }];
    expect(refused(deployment(asking(), { containers }))).toContain("a container named daprd");
    const initContainers = [{ name: "daprd", restartPolicy: "Always" }];
    expect(refused(deployment(asking(), { initContainers }))).toContain("named daprd");
  });

  test("a container or a volume of the same name that is not ours", () => {
    const containers = [{ name: "cufflink" }];
    expect(refused(deployment(asking(), { containers }))).toContain("not of this command");
    const volumes = [{ name: "cufflink-token", emptyDir: {} }];
    expect(refused(deployment(asking(), { volumes }))).toContain("cufflink-token");
  });

  test("Windows, no app id, ports that are taken", () => {
    expect(refused(deployment(asking(), { os: { name: "windows" } }))).toContain("Windows");
    expect(refused(deployment(asking({ "app-id": "Orders" })))).toContain("small letters");
    expect(refused(deployment(asking({ "app-port": "3501" })))).toContain("port for probes");
    expect(refused(deployment(asking({ "metrics-port": "50001" })))).toContain("grpc-port");
    const pod = { kind: "Pod", metadata: { annotations: { "dapr.io/enabled": "true" } } };
    expect(refused({ ...pod, spec: { containers: [{ name: "app" }] } })).toContain("app-id");
  });

  test("values that cannot be read, with all of them told", () => {
    const reasons = refused(
      deployment({
        ...asking({ "app-port": "http", "sidecar-memory-limit": "much", "app-ssl": "maybe" }),
        "dapr.io/log-as-json": true,
      }),
    );
    expect(reasons.split("\n")).toEqual([
      'dapr.io/app-port "http" is not a port: a number up to 65535',
      'dapr.io/sidecar-memory-limit "much" is not a quantity such as "100m" or "128Mi"',
      'dapr.io/app-ssl "maybe" is neither true nor false',
      'dapr.io/log-as-json is no text, which annotations have to be; write "true"',
    ]);
  });

  test("a record that cannot be read", () => {
    const annotations = { ...asking(), "cufflink-runtime.github.io/injected": "{}" };
    expect(refused(deployment(annotations))).toContain("cannot be read");
  });
});

describe("kinds", () => {
  const template = {
    metadata: { annotations: asking() },
    spec: { containers: [{ name: "app" }] },
  };

  test.each([
    ["Deployment", { template }],
    ["StatefulSet", { template }],
    ["DaemonSet", { template }],
    ["ReplicaSet", { template }],
    ["ReplicationController", { template }],
    ["Job", { template }],
    ["CronJob", { jobTemplate: { spec: { template } } }],
  ])("%s", (kind, spec) => {
    const { after, outcome } = inject({ kind, metadata: { name: "one" }, spec });
    expect(outcome).toBe("patched");
    expect(JSON.stringify(after)).toContain('"restartPolicy":"Always"');
  });

  test("a Pod by its own annotations, and the app id by its name", () => {
    const { after, warnings } = inject({
      kind: "Pod",
      metadata: { name: "orders", annotations: { "dapr.io/enabled": "true" } },
      spec: { containers: [{ name: "app" }] },
    });
    const [first] = objectsAt(at(after, "spec"), "initContainers");
    expect(flag(first ?? {}, "app-id")).toBe("orders");
    expect(warnings).toEqual(["dapr.io/app-id is missing; the name orders takes its place"]);
  });

  test("lists, each item on its own", () => {
    const items = [
      deployment(asking()),
      { kind: "Service", metadata: { name: "orders" } },
      deployment(asking({ "app-port": "x" })),
    ];
    const { object, injections } = injectWorkload({ kind: "List", items }, options);
    expect(injections.map(({ outcome }) => outcome)).toEqual(["patched", "ignored", "refused"]);
    expect((object["items"] as JsonObject[])[1]).toEqual(items[1]);
    const pods = injectWorkload(
      { kind: "PodList", items: [{ metadata: template.metadata, spec: template.spec }] },
      options,
    );
    expect(pods.injections[0]?.outcome).toBe("patched");
  });

  test("of a kind that is not known is told, and a list in a list is looked into", () => {
    const template = { metadata: { annotations: asking() }, spec: { containers: [{ name: "a" }] } };
    const rollout = { kind: "Rollout", metadata: { name: "r" }, spec: { template } };
    const { object, injections } = injectWorkload(rollout, options);
    expect(object).toEqual(rollout);
    expect(injections).toMatchObject([
      { outcome: "ignored", warnings: [expect.stringContaining("Rollout is no kind")] },
    ]);
    expect(
      injectWorkload({ kind: "ConfigMap", data: { a: "b" } }, options).injections,
    ).toMatchObject([{ outcome: "ignored", warnings: [] }]);
    const pod = { kind: "Pod", ...template };
    const inner = { kind: "List", items: [pod, pod] };
    expect(
      injectWorkload({ kind: "List", items: [inner] }, options).injections.map(
        ({ outcome }) => outcome,
      ),
    ).toEqual(["patched", "patched"]);
  });

  test("ports that a container says it has are compared with the sidecar's", () => {
    const ports = [
      { containerPort: 9090 },
      { containerPort: 3500, protocol: "UDP" },
      { containerPort: 80 },
    ];
    const spec = { containers: [{ name: "app", ports }] };
    const pod = { kind: "Pod", metadata: { annotations: asking() }, spec };
    expect(injectWorkload(pod, options).injections[0]?.warnings).toEqual([
      "its container app has the port 9090, which is dapr.io/metrics-port: only one of them can listen there",
    ]);
  });

  test("annotations on the workload instead of its pods are told", () => {
    const object = deployment({});
    at(object, "metadata")["annotations"] = asking();
    const { outcome, warnings } = inject(object);
    expect(outcome).toBe("ignored");
    expect(warnings.join()).toContain("on the Deployment, where it has no effect");
  });
});

function mountsOf(container: JsonObject): unknown[] {
  return objectsAt(container, "volumeMounts").map((one) => one["mountPath"]);
}
