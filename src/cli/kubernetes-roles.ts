import type { Command } from "commander";
import type { ResourceProblem } from "../resources/problem.ts";
import { ExitCode } from "./exit-code.ts";
import { UsageError } from "./usage-error.ts";

type Flags = {
  appId?: string;
  namespace: string;
  serviceAccount: string;
  config?: string;
  name?: string;
};

/** `cufflink kubernetes roles`: the rights of a runtime in Kubernetes mode, from its components. */
export function addKubernetesRolesCommand(group: Command): void {
  const command = group
    .command("roles")
    .description("print the Role and RoleBinding that serve --mode kubernetes needs")
    .argument("<paths...>", "folders or files of components; - reads them from standard input")
    .option("--app-id <id>", "only for the components that this app sees; default: for all")
    .option("-n, --namespace <name>", "where the app runs", "default")
    .option("--service-account <name>", "who gets the rights", "default")
    .option("--config <name>", "the Configuration that serve is started with")
    .option("--name <name>", "of both objects; default cufflink-APPID, without --app-id cufflink")
    .addHelpText(
      "after",
      `
Each secret that a component needs of Kubernetes is named. Nothing is asked of a cluster.

Exit code 1: something could not be read, so that a right may be missing; nothing is printed then.

Examples:
  cufflink kubernetes roles ./components --app-id orders -n shop --service-account orders
  kubectl get components.dapr.io -n shop -o yaml | cufflink kubernetes roles - -n shop | kubectl apply -f -
`,
    );
  command.action(async (paths: string[]) => {
    const flags = command.opts<Flags>();
    const { rolesFor } = await import("../kubernetes/roles.ts");
    const { secretReferences } = await import("../kubernetes/secret-references.ts");
    const { sources, problems } = await read(paths);
    const { appId, namespace, serviceAccount, config: configuration } = flags;
    const found = await secretReferences(sources, { appId, namespace });
    const wrong = [...problems, ...found.problems].filter(({ severity }) => severity === "error");
    if (wrong.length > 0) {
      await tell(wrong);
      throw new ExitCode(1);
    }
    const name = flags.name ?? (appId === undefined ? "cufflink" : `cufflink-${appId}`);
    const roles = rolesFor({
      ...{ name, namespace, serviceAccount, configuration },
      secrets: found.references,
    });
    const { stringify } = await import("yaml");
    const notes = found.references.map(
      (one) => `# The secret ${one.name} is needed by ${one.components.join(", ")}.\n`,
    );
    const texts = roles.map((role) => stringify(role, { aliasDuplicateObjects: false }));
    process.stdout.write(notes.join("") + texts.join("---\n"));
  });
}

async function read(paths: readonly string[]) {
  const { readSources } = await import("../resources/files.ts");
  const files = paths.filter((path) => path !== "-");
  if (paths.length - files.length > 1) throw new UsageError("standard input can be read once only");
  const { sources, problems } = await readSources(files);
  if (files.length < paths.length) {
    const { text } = await import("node:stream/consumers");
    const { Source } = await import("../resources/source.ts");
    sources.push(new Source("standard input", await text(process.stdin)));
  }
  return { sources, problems };
}

async function tell(problems: readonly ResourceProblem[]): Promise<void> {
  const { formatProblem } = await import("../resources/problem.ts");
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n\n`);
}
