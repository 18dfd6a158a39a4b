import { Command } from "commander";
import { describe, expect, test } from "vitest";
import {
  addServeOptions,
  readServeOptions,
  type ServeOptions,
} from "../../src/cli/serve-options.ts";
import { defaultRetention } from "../../src/store/store.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

function read(...args: string[]): ServeOptions {
  const command = addServeOptions(new Command("serve").exitOverride()).configureOutput({
    writeErr: () => {},
  });
  command.parse(args, { from: "user" });
  return readServeOptions(command);
}

describe("the flags of serve", () => {
  test("have daprd's defaults", () => {
    expect(read()).toMatchObject({
      appPort: undefined,
      appProtocol: "http",
      appChannelAddress: "127.0.0.1",
      appMaxConcurrency: undefined,
      appHealth: undefined,
      resourcesPaths: [],
      httpPort: 3500,
      grpcPort: 50001,
      publicPort: undefined,
      metricsPort: 9090,
      metrics: true,
      stateDir: undefined,
      retention: defaultRetention,
      maxBodySize: 4 * 1024 * 1024,
      memoryBudget: 256 * 1024 * 1024,
      logLevel: "info",
      logAsJson: false,
      gracefulShutdown: 5000,
      blockShutdown: 0,
      ignored: [],
    });
  });

  test.each<[string[], Partial<ServeOptions>]>([
    [["--app-id", "orders"], { appId: "orders" }],
    [["--app-id=orders"], { appId: "orders" }],
    [["--app-port=7001"], { appPort: 7001 }],
    [["--app-port", "0"], { appPort: undefined }],
    [["--app-protocol", "GRPC"], { appProtocol: "grpc" }],
    [["--app-ssl", "--app-protocol=grpc"], { appProtocol: "grpcs" }],
    [["--app-max-concurrency", "-1"], { appMaxConcurrency: undefined }],
    [["--app-max-concurrency", "8"], { appMaxConcurrency: 8 }],
    [["--resources-path", "a", "--resources-path=b"], { resourcesPaths: ["a", "b"] }],
    [["--components-path", "a"], { resourcesPaths: ["a"] }],
    [["--dapr-http-port=0"], { httpPort: 0 }],
    [["--dapr-listen-addresses", "[::1],127.0.0.1"], { listenAddresses: ["::1", "127.0.0.1"] }],
    [["--enable-metrics=false"], { metrics: false }],
    [["--enable-deprecated-metrics=false"], { deprecatedMetrics: false }],
    [["--enable-event-history=false"], { eventHistory: false }],
    [["--log-as-json"], { logAsJson: true }],
    [["--log-level", "warning"], { logLevel: "warn" }],
    [["--state-dir", "/data"], { stateDir: "/data" }],
    [
      [
        ...["--dead-letters-max-age", "48h", "--dead-letters-max-count=5"],
        ...["--dead-letters-max-bytes", "10Mi", "--history-max-age=90m", "--history-max-count=7"],
      ],
      {
        retention: {
          deadLetters: { age: 48 * 3_600_000, count: 5, bytes: 10 * 1024 * 1024 },
          history: { age: 90 * 60_000, count: 7 },
        },
      },
    ],
    [["--max-body-size=10Ki"], { maxBodySize: 10_240, appMaxAnswerSize: 10_240 }],
    [
      ["--max-body-size=10Ki", "--app-max-answer-size=1Mi"],
      { maxBodySize: 10_240, appMaxAnswerSize: 1_048_576 },
    ],
    [["--memory-budget=64Mi"], { memoryBudget: 67_108_864 }],
    [["--max-body-size=1Gi"], { memoryBudget: 4 * 1024 ** 3 }],
    [["--app-max-answer-size=1Gi"], { memoryBudget: 4 * 1024 ** 3 }],
    [["--dapr-graceful-shutdown-seconds", "2"], { gracefulShutdown: 2000 }],
    [["--dapr-block-shutdown-duration", "1m"], { blockShutdown: 60_000 }],
    [["--app-binding-options-timeout", "750ms"], { appBindingOptionsTimeout: 750 }],
    [
      [
        "--enable-app-health-check=true",
        "--app-health-probe-interval",
        "1",
        "--app-health-threshold=2",
      ],
      { appHealth: { path: "/healthz", interval: 1000, timeout: 500, threshold: 2 } },
    ],
    [["--enable-app-health-check=false"], { appHealth: undefined }],
  ])("%j", (args, expected) => {
    expect(read(...args)).toMatchObject(expected);
  });

  test("of other building blocks are taken and named", () => {
    const options = read(
      ...[
        "--placement-host-address",
        "127.0.0.1:50005",
        "--enable-mtls=false",
        "--profile-port=7777",
      ],
      ...["--enable-profiling", "--mode", "standalone", "--sentry-address="],
    );
    expect(options.ignored.toSorted()).toEqual([
      "--enable-mtls",
      "--enable-profiling",
      "--placement-host-address",
      "--profile-port",
      "--sentry-address",
    ]);
  });

  test.each([
    [["--workers=0"], '--workers "0" is neither a number from 1 to 64 nor auto'],
    [["--workers=-1"], "from 1 to 64"],
    [["--workers=1000"], "from 1 to 64"],
    [["--store=redis://a"], "--store takes sqlite, or nats://HOST:PORT"],
    [["--store=nats://a", "--store-durability=some"], "takes strict or relaxed"],
    [["--store=nats://a", "--store-replicas=0"], "a number from 1 to 5"],
    [["--store=nats://a", "--store-monitoring=a"], "--store-monitoring takes http://"],
    [["--store-credentials=a"], "--store-credentials is for a store in NATS"],
    [["--store-replicas=1"], "--store-replicas is for a store in NATS"],
    [["--store-monitoring=http://a"], "--store-monitoring is for a store in NATS"],
    [["--store-durability=relaxed"], "--store-durability is for a store in NATS"],
    [["--replica-id="], '--replica-id "" is no name'],
    [["--replica-id", "a\nb"], "is no name"],
    [["--replica-id", "a".repeat(254)], "1 to 253 characters"],
  ])("of several machines or cores that are wrong are refused: %j", (args, text) => {
    expect(() => read(...args)).toThrow(text);
  });

  test("of several machines and cores have their values", () => {
    const shared = ["--store=nats://a,nats://b", "--store-replicas=3", "--replica-id=a/b *"];
    expect(read(...shared, "--workers=1")).toMatchObject({
      store: { servers: ["nats://a", "nats://b"], replicas: 3, durability: "strict" },
      ...{ workers: 1, fleet: { replicaId: "a/b *", singleton: false } },
    });
    expect(read("--workers=auto").workers).toBeGreaterThan(0);
  });

  test("that cannot be meant are all named at once", () => {
    const wrong = ["--app-port", "99999", "--max-body-size", "huge", "--log-level", "loud"];
    expect(() => read(...wrong)).toThrow(UsageError);
    expect(() => read(...wrong)).toThrow(
      /--app-port "99999"[^]*--max-body-size "huge"[^]*--log-level|--log-level/,
    );
  });

  test.each([
    ["--memory-budget", "7Mi", "is too small"],
    ["--memory-budget", "much", "is not a size"],
    ["--memory-budget", "0", "is not a size above 0"],
    ["--max-body-size", "0", "is not a size above 0"],
    ["--app-max-answer-size", "-1", "is not a size above 0"],
    ["--log-as-json", "yes", "is neither true nor false"],
    ["--enable-metrics", "", "is neither true nor false"],
    ["--dead-letters-max-age", "30d", "is not a duration"],
    ["--dead-letters-max-age", "-1h", "is not a duration"],
    ["--dead-letters-max-count", "0", "is not a number above 0"],
    ["--dead-letters-max-bytes", "1GB", "is not a size"],
    ["--history-max-age", "", "is not a duration"],
    ["--history-max-count", "1.5", "is not a number above 0"],
  ])("%s %s is refused", (flag, value, reason) => {
    expect(() => read(flag, value)).toThrow(`${flag} ${JSON.stringify(value)} ${reason}`);
  });

  test("who may call: origins one by one, daprd's together, hosts", () => {
    const options = read(
      ...["--allow-origin", "https://shop.example", "--allow-origin=http://localhost:5173"],
      ...["--allowed-origins", "https://a.example, *", "--allowed-hosts", "sidecar, 10.0.0.7"],
    );
    expect(options.callers.allowOrigins).toEqual([
      ...["https://shop.example", "http://localhost:5173", "https://a.example"],
    ]);
    expect(options.callers.allowedHosts).toEqual(["sidecar", "10.0.0.7"]);
    expect(read("--allow-origin", "*").callers.allowOrigins).toEqual(["*"]);
    // daprd's default, which some start it with: it never was meant to let every page in.
    expect(read("--allowed-origins", "*").callers.allowOrigins).toEqual([]);
  });

  test.each([
    [["--dapr-grpc-port=3500"], "--dapr-http-port and --dapr-grpc-port are both 3500"],
    [["--metrics-port=50001"], "--dapr-grpc-port and --metrics-port are both 50001"],
    [["--app-port=3500"], "--dapr-http-port and --app-port are both 3500"],
    [
      ["--dapr-listen-addresses=0.0.0.0", "--app-port=3500", "--app-channel-address=::1"],
      "--dapr-http-port and --app-port are both 3500",
    ],
    [["--dapr-public-port=9090"], "--dapr-public-port and --metrics-port are both 9090"],
  ])("%j ask for one port twice", (args, reason) => {
    expect(() => read(...args)).toThrow(`${reason}; choose another port for one of them`);
  });

  test.each([
    [["--dapr-http-port=0", "--dapr-grpc-port=0"]],
    [["--app-port=3500", "--app-channel-address=10.0.0.7"]],
    [["--metrics-port=3500", "--enable-metrics=false"]],
    [["--dapr-grpc-port=3500", "--unix-domain-socket=/run"]],
  ])("%j do not", (args) => {
    expect(() => read(...args)).not.toThrow();
  });

  test.each(["shop.example", "https://shop.example/", "https://shop.example/a", "https://"])(
    "--allow-origin %s is refused, as no browser sends it",
    (origin) => {
      expect(() => read("--allow-origin", origin)).toThrow(
        `--allow-origin "${origin}" is not an origin such as "https://shop.example"`,
      );
    },
  );

  test("of Kubernetes mode: --config names one object, and folders are named as without effect", () => {
    const flags = ["--mode", "kubernetes", "--config", "settings", "--kubeconfig=/k"];
    const options = read(...flags, "--resources-path", "/a", "--sentry-address=x");
    expect(options).toMatchObject({
      ...{ configPaths: [], resourcesPaths: [] },
      kubernetes: { configuration: "settings", kubeconfig: "/k", hasSecretStore: true },
    });
    expect(options.ignored).toEqual(["--sentry-address", "--resources-path"]);
    expect(read(...flags, "--disable-builtin-k8s-secret-store").kubernetes).toMatchObject({
      hasSecretStore: false,
    });
    expect(read("--kubeconfig=/k")).toMatchObject({
      ...{ kubernetes: undefined, ignored: ["--kubeconfig"] },
    });
    for (const [wrong, why] of [
      [["--mode", "cluster"], /--mode "cluster" is none of standalone, kubernetes/],
      [[...flags, "--config", "other"], /--config names one Configuration in Kubernetes mode/],
      [["--mode=kubernetes", "--config=./config.yaml"], /is no name of a Configuration/],
      [[...flags, "--disable-builtin-k8s-secret-store=maybe"], /is neither true nor false/],
    ] as const)
      expect(() => read(...wrong)).toThrow(why);
  });
});
