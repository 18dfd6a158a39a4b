import type { ComponentSpec } from "../component.ts";
import { BindingError } from "../errors.ts";
import { MemoryBudget } from "../memory/budget.ts";
import { loadResources } from "../resources/load.ts";
import { formatProblem } from "../resources/problem.ts";
import type { PortUse } from "../port-use.ts";
import { SecretStores } from "../resources/secret-stores.ts";
import { examineEach } from "../rpc/examinations.ts";
import { ComponentCode } from "../runtime/component/component-code.ts";
import { componentFields } from "../runtime/component/component-fields.ts";
import { examineComponent, type Examined } from "../runtime/component/examine.ts";
import { ComponentTypes } from "../runtime/component-types.ts";
import { noComponent } from "../runtime/find-component.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import { createHttpEndpoints } from "../server/http-endpoints.ts";
import { stateStores } from "../states/index.ts";
import { allBindings } from "./own-bindings.ts";

export type ResourcesToExamine = {
  readonly paths: readonly string[];
  readonly appId: string | undefined;
  readonly driversFolder: string | undefined;
  readonly allowExec: boolean;
  /** Names. Empty: all. */
  readonly components: readonly string[];
  /** Bindings of the user's own. */
  readonly named: readonly string[];
  /** Of one component, in milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** Told what is wrong with the files and the bindings, for people. */
  readonly onProblem: (text: string, severity: "error" | "warning") => void;
};

const logger: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

/** Examines the components of files, as this process would open them. Throws a `BindingError` where there is none of a name. */
export async function* examineResources(options: ResourcesToExamine): AsyncGenerator<Examined> {
  const { paths, appId, driversFolder, allowExec, timeout, signal, onProblem } = options;
  const { bindings, problems: unusable } = await allBindings([...options.named]);
  for (const problem of unusable) onProblem(problem, "error");
  await using secretStores = new SecretStores({ driversFolder });
  const { components, problems } = await loadResources({
    ...{ paths, appId, bindings, stateStores, secretStores },
    ...{ frameworkFields: componentFields, remoteSecrets: "begin" },
  });
  for (const problem of problems) onProblem(formatProblem(problem), problem.severity);
  const types = new ComponentTypes(bindings, stateStores);
  const memory = new MemoryBudget();
  const endpoints = createHttpEndpoints(memory);
  const http = {
    ...endpoints,
    probe: (host: string, port: number) => endpoints.probe(host, port).catch(perhapsTheRuntime),
  };
  const specs = new Map(components.map((spec): [string, ComponentSpec] => [spec.name, spec]));
  const wanted = options.components.length > 0 ? options.components : [...specs.keys()];
  const missing = wanted.find((name) => !specs.has(name));
  if (missing !== undefined) throw noComponent(missing, [...specs.keys()]);
  yield* examineEach(
    () => wanted,
    async (name) => {
      const spec = specs.get(name);
      if (spec === undefined) throw new BindingError("not_found", `no component ${name}`);
      const binding = types.find(spec.type);
      return examineComponent({
        ...{
          appId: appId ?? "doctor",
          spec,
          http,
          logger,
          driversFolder,
          allowExec,
          timeout,
          signal,
        },
        code: binding && new ComponentCode(binding),
        memory: memory.share(`component ${name}`),
      });
    },
    signal,
  );
}

/** A runtime with these components has their ports. */
function perhapsTheRuntime(error: unknown): PortUse {
  if (error instanceof BindingError && error.systemCode === "EADDRINUSE") return "unknown";
  throw error;
}
