import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { BindingError, messageOf } from "../errors.ts";
import type { CheckedPod } from "../kubernetes/check-pods.ts";
import { ExitCode } from "./exit-code.ts";
import { formatTable, plain, writeJson } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

type Flags = { filename: string[]; namespace?: string; kubeconfig?: string; json?: true };

const timeout = 60_000;
const pageSize = 500;

/** `cufflink kubernetes check`: pods that ask for a sidecar and have none. */
export function addKubernetesCheckCommand(group: Command): void {
  const command = group
    .command("check")
    .description("report pods that have dapr.io/enabled and no native sidecar")
    .option("-n, --namespace <name>", "of the pods; default: all namespaces")
    .option("--kubeconfig <file>", "how the API is reached, outside of a pod")
    .option(
      "-f, --filename <file>",
      "pods as JSON or YAML instead of those of the cluster; - is standard input; may be repeated",
      (value: string, before: readonly string[]) => [...before, value],
      [],
    )
    .option("--json", "for tools")
    .addHelpText(
      "after",
      `
Pods that have ended do not count. A pod that Dapr serves is listed, and is no failure.

Exit code 1: a pod has no sidecar, or one that is no native sidecar.

Examples:
  cufflink kubernetes check
  cufflink kubernetes check -n shop --json
  kubectl get pods -A -o json | cufflink kubernetes check -f -
`,
    )
    .action(async () => {
      const flags = command.opts<Flags>();
      const pods = flags.filename.length > 0 ? await fromFiles(flags) : await fromCluster(flags);
      const wrong = pods.filter(({ sidecar }) => sidecar === "missing" || sidecar === "not native");
      if (flags.json) writeJson({ pods, missing: wrong.length });
      else process.stdout.write(described(pods, wrong));
      if (wrong.length > 0) throw new ExitCode(1);
    });
}

async function fromFiles({ filename: files, namespace }: Flags): Promise<CheckedPod[]> {
  const [{ checkPods }, { parseAllDocuments }] = await Promise.all([
    import("../kubernetes/check-pods.ts"),
    import("yaml"),
  ]);
  const found: CheckedPod[] = [];
  for (const file of files) {
    const source = await readText(file);
    const documents = parseAllDocuments(source, { version: "1.1", merge: true });
    for (const document of Array.isArray(documents) ? documents : []) {
      const [error] = document.errors;
      if (error !== undefined)
        throw new UsageError(`-f ${file}: ${error.message.split("\n")[0] ?? ""}`);
      const object: unknown = document.toJS();
      const pods = checkPods(object);
      if (pods !== undefined) found.push(...pods);
      else if (object !== null)
        process.stderr.write(
          `-f ${file}: ${kindOf(object)} is not looked at: give pods, as \`kubectl get pods -o json\` does\n`,
        );
    }
  }
  return found.filter((one) => namespace === undefined || one.namespace === namespace);
}

function kindOf(object: unknown): string {
  const kind = typeof object === "object" && object !== null && "kind" in object ? object.kind : "";
  return typeof kind === "string" && kind !== "" ? plain(`a ${kind}`) : "a document without a kind";
}

async function readText(file: string): Promise<string> {
  try {
    return file === "-" ? await text(process.stdin) : await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(`-f ${file} cannot be read: ${messageOf(error)}`);
  }
}

async function fromCluster({ namespace, kubeconfig }: Flags): Promise<CheckedPod[]> {
  const [{ checkPods }, { KubernetesLogin }, { KubernetesClient }] = await Promise.all([
    import("../kubernetes/check-pods.ts"),
    import("../identity/kubernetes/access.ts"),
    import("../kubernetes-client/client.ts"),
  ]);
  using client = new KubernetesClient({ login: new KubernetesLogin(kubeconfig, process.env) });
  const within = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  const collection = {
    path: `/api/v1${within}/pods`,
    name: namespace === undefined ? "the pods" : `the pods of ${namespace}`,
  };
  const signal = AbortSignal.timeout(timeout);
  const found: CheckedPod[] = [];
  for (let from = ""; ;) {
    const read = client.page(collection, { limit: pageSize, from, signal });
    const page = JSON.parse(await read.catch(withRemedy)) as { metadata?: { continue?: string } };
    found.push(...(checkPods({ ...page, kind: "PodList" }) ?? []));
    from = page.metadata?.continue ?? "";
    if (from === "") return found;
  }
}

/** Without a kubeconfig nothing says what to do. */
function withRemedy(error: unknown): never {
  if (!(error instanceof BindingError) || error.reason !== "invalid_argument") throw error;
  const text = `${error.message}; name another with --kubeconfig or KUBECONFIG, or give the pods with -f`;
  throw new BindingError(error.reason, text, { effect: error.effect });
}

function described(pods: readonly CheckedPod[], wrong: readonly CheckedPod[]): string {
  if (pods.length === 0) return "no pod has dapr.io/enabled\n";
  const sorted = [...wrong, ...pods.filter((one) => !wrong.includes(one))];
  const rows = sorted.map(({ pod, appId, sidecar }) => [plain(pod), plain(appId), sidecar]);
  const table = formatTable([["POD", "APP", "SIDECAR"], ...rows]);
  const ending =
    wrong.length === 0
      ? `each of ${pods.length} has a sidecar`
      : `${wrong.length} of ${pods.length} without a native sidecar`;
  return `${table}\n${ending}\n`;
}
