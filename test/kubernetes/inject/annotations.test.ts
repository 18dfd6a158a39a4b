import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { appProtocols } from "../../../src/app/app-protocol.ts";
import { addServeOptions, readServeOptions } from "../../../src/cli/serve-options.ts";
import { annotations, daprPrefix } from "../../../src/kubernetes/inject/annotations.ts";
import { objectsAt, type JsonObject } from "../../../src/kubernetes/inject/json.ts";
import { protocols } from "../../../src/kubernetes/inject/settings.ts";
import { injectWorkload } from "../../../src/kubernetes/inject/workload.ts";
import { asking, deployment, flag, options, podSpec, sidecar } from "./objects.ts";

const volumes = [{ name: "data", emptyDir: {} }];
const containers = [
  { name: "app", image: "app:1" },
  { name: "store", image: "store:1" },
];

/** A value of each that has an effect, and where the effect is to be seen. */
const effects: Readonly<Record<string, [value: string, seen: (spec: JsonObject) => unknown]>> = {
  enabled: ["true", (spec) => first(spec)["name"] === "cufflink"],
  "app-id": ["shop", (spec) => flag(first(spec), "app-id") === "shop"],
  "app-port": ["8080", (spec) => flag(first(spec), "app-port") === "8080"],
  "app-protocol": ["grpc", (spec) => flag(first(spec), "app-protocol") === "grpc"],
  "app-ssl": ["true", (spec) => args(spec).includes("--app-ssl")],
  "app-channel-address": ["10.0.0.1", (spec) => flag(first(spec), "app-channel-address")],
  "app-max-concurrency": ["7", (spec) => flag(first(spec), "app-max-concurrency") === "7"],
  "app-binding-options-timeout": [
    "9s",
    (spec) => flag(first(spec), "app-binding-options-timeout") === "9s",
  ],
  "enable-app-health-check": ["true", (spec) => args(spec).includes("--enable-app-health-check")],
  "app-health-check-path": ["/up", (spec) => flag(first(spec), "app-health-check-path") === "/up"],
  "app-health-probe-interval": ["9", (spec) => flag(first(spec), "app-health-probe-interval")],
  "app-health-probe-timeout": ["99", (spec) => flag(first(spec), "app-health-probe-timeout")],
  "app-health-threshold": ["8", (spec) => flag(first(spec), "app-health-threshold") === "8"],
  config: ["tracing", (spec) => flag(first(spec), "config") === "tracing"],
  "disable-builtin-k8s-secret-store": [
    "true",
    (spec) => args(spec).includes("--disable-builtin-k8s-secret-store"),
  ],
  "log-level": ["debug", (spec) => flag(first(spec), "log-level") === "debug"],
  "log-as-json": ["true", (spec) => args(spec).includes("--log-as-json")],
  "api-token-secret": ["api", (spec) => secretOf(spec, "DAPR_API_TOKEN") === "api/token"],
  "app-token-secret": ["own", (spec) => secretOf(spec, "APP_API_TOKEN") === "own/token"],
  env: ["A=1, B=x,y=z", (spec) => text(variable(spec, "B")) === '{"name":"B","value":"x"}'],
  "env-from-secret": ["K=s:k,T=t", (spec) => secretOf(spec, "K") === "s/k"],
  "enable-metrics": ["false", (spec) => args(spec).includes("--enable-metrics=false")],
  "metrics-port": ["9999", (spec) => flag(first(spec), "metrics-port") === "9999"],
  "grpc-port": ["50009", (spec) => appVariable(spec, "DAPR_GRPC_PORT") === "50009"],
  "sidecar-listen-addresses": ["0.0.0.0", (spec) => flag(first(spec), "dapr-listen-addresses")],
  "unix-domain-socket-path": [
    "/sockets",
    (spec) =>
      appVariable(spec, "DAPR_GRPC_ENDPOINT") === "unix:/sockets/dapr-orders-grpc.socket" &&
      text(first(spec)["lifecycle"]).includes("unix:/var/run/dapr-sockets/dapr-orders-grpc"),
  ],
  "max-body-size": ["9Mi", (spec) => flag(first(spec), "max-body-size") === "9Mi"],
  "http-max-request-size": ["8", (spec) => flag(first(spec), "max-body-size") === "8Mi"],
  "graceful-shutdown-seconds": ["11", (spec) => text(first(spec)["lifecycle"]).includes('"11s"')],
  "block-shutdown-duration": [
    "2s",
    (spec) => flag(first(spec), "dapr-block-shutdown-duration") === "2s",
  ],
  "sidecar-image": ["mine:2", (spec) => first(spec)["image"] === "mine:2"],
  "sidecar-seccomp-profile-type": [
    "Unconfined",
    (spec) => text(first(spec)["securityContext"]).includes('{"type":"Unconfined"}'),
  ],
  "sidecar-cpu-request": ["100m", (spec) => resources(spec).includes('"requests":{"cpu":"100m"}')],
  "sidecar-cpu-limit": ["1", (spec) => resources(spec).includes('"limits":{"cpu":"1"}')],
  "sidecar-memory-request": ["64Mi", (spec) => resources(spec).includes('{"memory":"64Mi"}')],
  "sidecar-memory-limit": ["128Mi", (spec) => resources(spec).includes('{"memory":"128Mi"}')],
  ...probe("liveness"),
  ...probe("readiness"),
  "volume-mounts": [
    "data:/data",
    (spec) => mounts(spec).includes('{"name":"data","mountPath":"/data","readOnly":true}'),
  ],
  "volume-mounts-rw": [
    "data:/data",
    (spec) => mounts(spec).includes('{"name":"data","mountPath":"/data"}'),
  ],
  "pluggable-components": [
    "store",
    (spec) =>
      text(spec["containers"]).includes("cufflink-components") &&
      text(first(spec)["env"]).includes("DAPR_COMPONENT_SOCKETS_FOLDER"),
  ],
  "pluggable-components-sockets-folder": [
    "/components",
    (spec) => mounts(spec).includes("/components"),
  ],
  "enable-native-sidecar": ["true", (spec) => first(spec)["restartPolicy"] === "Always"],
};

/** What else has to be written for one to be seen. */
const needed: Readonly<Record<string, Record<string, string>>> = {
  "app-health-check-path": { "enable-app-health-check": "true" },
  "app-health-probe-interval": { "enable-app-health-check": "true" },
  "app-health-probe-timeout": { "enable-app-health-check": "true" },
  "app-health-threshold": { "enable-app-health-check": "true" },
  "pluggable-components-sockets-folder": { "pluggable-components": "store" },
};

describe("each of Dapr's annotations", () => {
  test.each([...annotations])("%s is honoured or named", (name, { named }) => {
    const [value, seen] = effects[name] ?? ["true", () => true];
    const number = annotations.get(name)?.kind !== "boolean" && !(name in effects);
    const asked = asking({ ...needed[name], [name]: number ? "7" : value });
    const { object, injections } = injectWorkload(
      deployment(asked, { containers, volumes }),
      options,
    );
    expect(injections[0]?.reasons).toEqual([]);
    const warnings = injections[0]?.warnings ?? [];
    if (named === undefined) {
      expect(name in effects, "an effect to look for").toBe(true);
      expect(seen(podSpec(object))).toBeTruthy();
      expect(warnings).toEqual([]);
    } else {
      expect(warnings).toEqual([`${daprPrefix}${name} has no effect: ${named}`]);
    }
    // What the sidecar is started with, serve takes.
    const command = addServeOptions(new Command("serve").exitOverride());
    const given = (sidecar(object)["args"] as string[]).slice(1);
    command.parse(given, { from: "user" });
    expect(() => readServeOptions(command)).not.toThrow();
  });

  test("that there is not is named", () => {
    const { injections } = injectWorkload(deployment(asking({ "app-prot": "1" })), options);
    expect(injections[0]?.warnings).toEqual([
      "dapr.io/app-prot has no effect: Dapr has no such annotation",
    ]);
  });

  test("has its row in the docs", () => {
    const page = readFileSync(join(import.meta.dirname, "../../../docs/kubernetes.md"), "utf8");
    for (const name of annotations.keys()) expect(page).toContain(`| \`${name}\``);
  });

  test("of a switched-off feature is told nothing about", () => {
    const { injections } = injectWorkload(
      deployment(asking({ "enable-profiling": "false" })),
      options,
    );
    expect(injections[0]?.warnings).toEqual([]);
  });

  test("protocols are those of --app-protocol", () => {
    expect(protocols).toEqual(appProtocols);
  });
});

test("daprd's image is not started as Cufflink", () => {
  const { object, injections } = injectWorkload(
    deployment(asking({ "sidecar-image": "docker.io/daprio/daprd:1.18.3" })),
    options,
  );
  expect(sidecar(object)["image"]).toBe("cufflink:test");
  expect(injections[0]?.warnings.join()).toContain("is daprd's image");
});

test("the app's own variables stay", () => {
  const env = [{ name: "DAPR_GRPC_PORT", value: "1" }];
  const { object } = injectWorkload(
    deployment(asking(), { containers: [{ name: "app", env }] }),
    options,
  );
  expect(appVariable(podSpec(object), "DAPR_GRPC_PORT")).toBe("1");
  expect(appVariable(podSpec(object), "DAPR_HTTP_PORT")).toBe("3500");
});

function probe(kind: "liveness" | "readiness") {
  const seen = (field: string) => (spec: JsonObject) =>
    text(first(spec)[`${kind}Probe`]).includes(`"${field}":44`);
  return {
    [`sidecar-${kind}-probe-delay-seconds`]: ["44", seen("initialDelaySeconds")],
    [`sidecar-${kind}-probe-timeout-seconds`]: ["44", seen("timeoutSeconds")],
    [`sidecar-${kind}-probe-period-seconds`]: ["44", seen("periodSeconds")],
    [`sidecar-${kind}-probe-threshold`]: ["44", seen("failureThreshold")],
  } satisfies Record<string, [string, (spec: JsonObject) => unknown]>;
}

function first(spec: JsonObject): JsonObject {
  return objectsAt(spec, "initContainers")[0] ?? {};
}

function args(spec: JsonObject): string[] {
  return first(spec)["args"] as string[];
}

function variable(spec: JsonObject, name: string): JsonObject | undefined {
  return objectsAt(first(spec), "env").find((one) => one["name"] === name);
}

function secretOf(spec: JsonObject, name: string): string {
  const found = /"secretKeyRef":\{"name":"([^"]*)","key":"([^"]*)"\}/.exec(
    text(variable(spec, name)),
  );
  return `${found?.[1]}/${found?.[2]}`;
}

function appVariable(spec: JsonObject, name: string): unknown {
  const [app] = objectsAt(spec, "containers");
  return objectsAt(app ?? {}, "env").find((one) => one["name"] === name)?.["value"];
}

function resources(spec: JsonObject): string {
  return text(first(spec)["resources"]);
}

function mounts(spec: JsonObject): string {
  return text(first(spec)["volumeMounts"]);
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? "";
}
