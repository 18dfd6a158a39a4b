import type { Command } from "commander";
import type { Logger } from "../binding.ts";
import { parseBoolean } from "../metadata/boolean.ts";
import type { ClusterResources } from "../kubernetes/cluster-resources.ts";

/** What `--mode kubernetes` reads. */
export type KubernetesMode = {
  /** The name of the Configuration; `undefined`: none is read. */
  readonly configuration: string | undefined;
  /** Outside of a pod. */
  readonly kubeconfig: string | undefined;
  /** Components that name no secret store mean Kubernetes' own secrets. */
  readonly hasSecretStore: boolean;
};

export type Mode = {
  /** The values of `--config`. */
  readonly configs: readonly string[];
  readonly kubernetes: KubernetesMode | undefined;
  /** The flags without effect in this mode. */
  readonly ignored: readonly string[];
};

export const modes = ["standalone", "kubernetes"] as const;

/** What names an object in Kubernetes. */
const objectName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Adds the flags that say where resources are read. */
export function addModeOptions(command: Command): void {
  command
    .option(
      "--mode <mode>",
      "standalone: resources are files; kubernetes: they are objects of its API",
      "standalone",
    )
    .option("--kubeconfig <file>", "in Kubernetes mode, outside of a pod: how the API is reached")
    .option(
      "--disable-builtin-k8s-secret-store [bool]",
      "in Kubernetes mode: components must name their secret store",
    );
}

/** Reads the flags of {@link addModeOptions}, and adds what is wrong to the problems. */
export function readMode(command: Command, problems: string[]): Mode {
  const flags = command.opts<{
    mode: string;
    kubeconfig?: string;
    disableBuiltinK8sSecretStore?: string | boolean;
    config: string[];
  }>();
  const { mode, kubeconfig, config: configs } = flags;
  const disabled = parseBoolean(String(flags.disableBuiltinK8sSecretStore ?? false));
  if (disabled === undefined)
    problems.push(
      `--disable-builtin-k8s-secret-store ${JSON.stringify(flags.disableBuiltinK8sSecretStore)} is neither true nor false`,
    );
  if (mode !== "kubernetes") {
    if (mode !== "standalone")
      problems.push(`--mode ${JSON.stringify(mode)} is none of ${modes.join(", ")}`);
    const ignored = ["kubeconfig", "disable-builtin-k8s-secret-store"];
    return { configs, kubernetes: undefined, ignored };
  }
  const configuration = configs.find((name) => name !== "");
  if (configs.length > 1)
    problems.push("--config names one Configuration in Kubernetes mode; give it once");
  if (configuration !== undefined && !objectName.test(configuration))
    problems.push(
      `--config ${JSON.stringify(configuration)} is no name of a Configuration, as Kubernetes mode reads it`,
    );
  return {
    configs,
    kubernetes: {
      ...{ configuration, kubeconfig: kubeconfig || undefined },
      hasSecretStore: disabled !== true,
    },
    ignored: ["resources-path", "components-path"],
  };
}

/**
 * The namespace of a runtime: the environment's `NAMESPACE`, as in daprd, else `POD_NAMESPACE`, that of the service account
 * or the kubeconfig, `default`.
 */
export async function openCluster(
  { configuration, kubeconfig, hasSecretStore }: KubernetesMode,
  appId: string,
  logger: Logger,
): Promise<ClusterResources> {
  const { KubernetesLogin } = await import("../identity/kubernetes/access.ts");
  const { ClusterResources } = await import("../kubernetes/cluster-resources.ts");
  const login = new KubernetesLogin(kubeconfig, process.env);
  const access = await login.read().catch(() => undefined);
  const { NAMESPACE, POD_NAMESPACE } = process.env;
  const namespace = NAMESPACE || POD_NAMESPACE || access?.namespace || "default";
  const facts = { namespace, server: access?.url, ...(configuration && { configuration }) };
  logger.info(facts, "resources are read from Kubernetes");
  return new ClusterResources({
    ...{ login, namespace, appId, configuration, logger },
    secretStore: hasSecretStore ? { kubeconfigPath: kubeconfig } : undefined,
  });
}
