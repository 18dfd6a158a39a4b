import type { Command } from "commander";
import { formatDuration } from "../metadata/duration.ts";
import type { Admission } from "../kubernetes/injector/admission.ts";
import { parseBoolean } from "../metadata/boolean.ts";
import { readDuration } from "./client-options.ts";
import { logLevels } from "./serve-options.ts";
import { addSidecarOptions, readSidecarOptions } from "./sidecar-options.ts";
import { UsageError } from "./usage-error.ts";

type Flags = {
  configuration: string;
  service: string;
  namespace: string;
  host: string[];
  port: string;
  listenAddress: string;
  certificateLifetime: string;
  shutdownDelay: string;
  kubeconfig?: string;
  logLevel: string;
  logAsJson?: string | boolean;
};

/** Between two looks at the configuration, in milliseconds. */
const interval = 5_000;

/** `cufflink kubernetes injector`: the mutating webhook. */
export function addKubernetesInjectorCommand(
  group: Command,
  setExitCode: (code: number) => void,
): void {
  const command = group
    .command("injector")
    .description("serve the webhook that puts the sidecar into pods as they are created")
    .option("--configuration <name>", "of its MutatingWebhookConfiguration", "cufflink-injector")
    .option("--service <name>", "of its Service", "cufflink-injector")
    .option(
      "--namespace <name>",
      "where it runs; its pods get no sidecar; default $NAMESPACE",
      process.env["NAMESPACE"] ?? "cufflink",
    )
    .option(
      "--host <name>",
      "a DNS name or IPv4 address by which API servers reach it, instead of SERVICE.NAMESPACE.svc; may be repeated",
      (value: string, before: readonly string[]) => [...before, value],
      [],
    )
    .option("--port <port>", "HTTPS", "8443")
    .option("--listen-address <host>", "what the port listens on", "127.0.0.1")
    .option("--certificate-lifetime <duration>", "renewed after half of it", "72h")
    .option("--shutdown-delay <duration>", "serve on after the signal, not ready any more", "5s")
    .option("--kubeconfig <file>", "how the API is reached, outside of a pod")
    .option("--log-level <level>", logLevels.join(", "), "info")
    .option("--log-as-json [bool]", "log lines for machines")
    .addHelpText(
      "after",
      `
POST /inject answers AdmissionReviews; GET /livez and /readyz are for probes. Its certificate is its own, and is written
into the MutatingWebhookConfiguration of that name, beside those of other replicas. That is all it asks of the cluster.

Example:
  cufflink kubernetes injector --namespace cufflink --listen-address 0.0.0.0
`,
    );
  addSidecarOptions(command).action(async () => {
    const flags = command.opts<Flags>();
    const sidecar = readSidecarOptions(command);
    setExitCode(await run(flags, sidecar));
  });
}

async function run(flags: Flags, sidecar: ReturnType<typeof readSidecarOptions>): Promise<number> {
  const port = readPort(flags.port);
  const validity = readDuration("--certificate-lifetime", flags.certificateLifetime);
  if (validity < 60_000) throw new UsageError("--certificate-lifetime is shorter than a minute");
  for (const host of flags.host)
    if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i.test(host))
      throw new UsageError(
        `--host ${JSON.stringify(host)} is neither a DNS name nor an IPv4 address`,
      );
  const level = logLevels.find((one) => one === flags.logLevel);
  if (level === undefined)
    throw new UsageError(`--log-level ${flags.logLevel} is none of ${logLevels.join(", ")}`);
  const json = flags.logAsJson !== undefined && parseBoolean(String(flags.logAsJson)) === true;
  const farewell =
    flags.shutdownDelay === "0s" ? 0 : readDuration("--shutdown-delay", flags.shutdownDelay);
  const [
    { startInjector },
    { CallerGate },
    { listenFailure },
    { ApiConfiguration },
    { KubernetesLogin },
    { KubernetesClient },
  ] = await Promise.all([
    import("../kubernetes/injector/injector.ts"),
    import("../server/caller-gate.ts"),
    import("../server/listen-failure.ts"),
    import("../kubernetes/injector/api-configuration.ts"),
    import("../identity/kubernetes/access.ts"),
    import("../kubernetes-client/client.ts"),
  ]);
  const { createServeLogger } = await import("./serve-log.ts");
  const logger = createServeLogger({ appId: "injector", logLevel: level, logAsJson: json });
  using client = new KubernetesClient({
    login: new KubernetesLogin(flags.kubeconfig, process.env),
  });
  const hosts = flags.host.length > 0 ? flags.host : [`${flags.service}.${flags.namespace}.svc`];
  const injector = await startInjector({
    ...sidecar,
    // Whoever is told a name to show a certificate for is reached by it.
    gate: new CallerGate({
      allowedOrigins: [],
      allowedHosts: [...hosts, flags.listenAddress],
      settings: { origins: undefined, hosts: "--host" },
    }),
    configuration: new ApiConfiguration(client, flags.configuration),
    ...{ hosts, port, interval, farewell, validity },
    listenAddress: flags.listenAddress,
    namespace: flags.namespace,
    onAdmission: (admission) => told(admission),
    onProblem: (reason) => logger.warn({ reason }, "something failed; the injector tries again"),
    onTrusted: () => logger.info({}, "ready: the API server knows the certificate"),
  }).catch((error: unknown) => {
    const { syscall } = error as NodeJS.ErrnoException;
    if (syscall !== "listen" && syscall !== "getaddrinfo") throw error;
    const named = { place: "--port", host: "--listen-address" };
    throw listenFailure({ host: flags.listenAddress, port, flags: named }, error);
  });
  logger.info({ on: flags.listenAddress, port: injector.port, hosts }, "the injector listens");
  const signal = await endSignal();
  logger.info({ signal, for: formatDuration(farewell) }, "ending: not ready any more");
  await injector.close();
  logger.info({}, "the injector has ended");
  return 0;

  function told({ outcome, pod, reasons, warnings }: Admission): void {
    if (outcome === "refused") logger.warn({ pod, reasons }, "a pod was refused");
    else if (outcome === "patched") logger.info({ pod, warnings }, "the sidecar was put in");
  }
}

function endSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, resolve);
  });
}

function readPort(text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new UsageError(`--port ${JSON.stringify(text)} is not a port: a number up to 65535`);
}
