import { isDeepStrictEqual } from "node:util";
import type { AnyBinding } from "../binding.ts";
import { messageOf } from "../errors.ts";
import type { ClusterResources } from "../kubernetes/cluster-resources.ts";
import { configured, readConfiguration, type Configuration } from "../resources/configuration.ts";
import { definitionOf, type Definition } from "../resources/definition.ts";
import { lint, type Pluggability } from "../resources/lint.ts";
import { loadResources, type ResourceOptions, type Resources } from "../resources/load.ts";
import { ResourceMemory } from "../resources/memory.ts";
import type { SecretStandIn } from "../resources/resolve.ts";
import { formatProblem, problemRecord, type ResourceProblem } from "../resources/problem.ts";
import { visibilityBy } from "../resources/visibility.ts";
import { SecretStores } from "../resources/secret-stores.ts";
import { ResourceWatcher, type WatchedPath } from "../resources/watch.ts";
import { componentFields } from "../runtime/component/component-fields.ts";
import type { ReloadResult } from "../runtime/component/reload.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { SecretStoreModule } from "../secret-store.ts";
import { stateStores } from "../states/index.ts";

export type ReloaderOptions = {
  readonly appId: string;
  readonly resourcesPaths: readonly string[];
  /** The files of Dapr's Configuration. */
  readonly configPaths: readonly string[];
  /** Where resources are read that stand in no file. */
  readonly cluster?: ClusterResources | undefined;
  readonly bindings: readonly AnyBinding[];
  /** Adds those of these component types to `bindings`. */
  readonly needBindings: NonNullable<ResourceOptions["needBindings"]>;
  /** What has changed that no reload takes over, a sentence each. */
  readonly changedBindings?: () => Promise<readonly string[]>;
  /** Which types that are not among them may be served by sockets. */
  readonly pluggable?: Pluggability;
  /** The server's `--max-body-size` in bytes, which components are compared with. */
  readonly maxBodySize: number;
  /** See `LintOptions`. */
  readonly sharedStore?: boolean | undefined;
  readonly apply: Runtime["apply"];
  readonly logger: RuntimeLogger;
  /** Where the drivers of secret stores are looked for, too. */
  readonly driversFolder?: string | undefined;
  /** Default: all that there are. */
  readonly secretStores?: readonly SecretStoreModule[];
  /** Default: {@link stateStores}. */
  readonly stateStores?: readonly AnyBinding[];
  /** What takes the place of secrets that cannot be read. */
  readonly standIn?: SecretStandIn | undefined;
  /** Called before the components are applied, with all that was read, where its Resiliency is another one. */
  readonly onLoaded: (resources: Resources) => Promise<void> | void;
};

/** So long, in milliseconds, the start waits for a cluster that does not answer; what comes later is taken over then. */
const longestFirstAnswer = 3_000;
const wrongConfiguration =
  "the Configuration has mistakes, and may deny components; nothing runs before they are corrected";

/**
 * Reads resources and configuration, and makes the runtime run them: at the start, when something changes, and
 * when it is asked for. One reading at a time; one that is asked for meanwhile follows, once for all who ask.
 * What the runtime then has to finish (an app that is slow to let go) keeps no later reading waiting.
 */
export class Reloader {
  readonly #options: ReloaderOptions;
  readonly #memory = new ResourceMemory();
  readonly #secretStores: SecretStores;
  readonly #watcher: ResourceWatcher;
  #configuration: Configuration;
  /** One could be read: before that nothing runs. */
  #isConfigured: boolean;
  #secretFiles: readonly string[] = [];
  /** What was read last. */
  #read: Pick<Resources, "components" | "problems"> = { components: [], problems: [] };
  #told = new Set<string>();
  /** The policies in force. */
  #policies: { resiliency: Resources["resiliency"]; isWrong: boolean } | undefined;
  #reading: Promise<unknown> = Promise.resolve();
  #next: Promise<ReloadResult> | undefined;
  #watching: boolean;
  #isStarted = false;
  #closed = false;

  private constructor(
    options: ReloaderOptions,
    configuration: Configuration,
    isConfigured: boolean,
  ) {
    this.#options = options;
    this.#configuration = configuration;
    this.#isConfigured = isConfigured;
    this.#watching = configuration.hotReload;
    const { secretStores: modules, driversFolder, logger } = options;
    this.#secretStores = new SecretStores({
      ...{ driversFolder, logger: logger.child({ part: "secrets" }) },
      ...(modules && { modules }),
      onChange: () => void this.#changed(),
    });
    this.#watcher = new ResourceWatcher({
      paths: () => this.#paths(),
      onChange: () => void this.#changed(),
      logger: options.logger,
    });
    options.cluster?.follow(() => {
      if (this.#isStarted) void this.#changed();
    });
  }

  /**
   * Reads the configuration. Rejects when its files cannot be read, since it may forbid components; that of a cluster is
   * waited for some seconds, and nothing runs before it is there.
   */
  static async create(options: ReloaderOptions): Promise<Reloader> {
    const { cluster, configPaths } = options;
    cluster?.start();
    await cluster?.firstAnswer(longestFirstAnswer, "Configuration");
    const objects = cluster?.take().configuration;
    const { configuration, problems, broken } = await readConfiguration(configPaths, objects);
    if (broken && cluster === undefined) throw new BrokenConfiguration(problems);
    const reloader = new Reloader(options, configuration, !broken);
    reloader.#tell(problems);
    return reloader;
  }

  /** What the configuration says now. */
  get configuration(): Configuration {
    return this.#configuration;
  }

  /** Reads everything for the first time, and watches from now on where the configuration does not say otherwise. */
  async start(): Promise<ReloadResult> {
    if (this.#watching) await this.#watcher.start();
    await this.#options.cluster?.firstAnswer(longestFirstAnswer);
    this.#isStarted = true;
    return this.#again();
  }

  /** Reads everything again. Never rejects: what is wrong is in the result. */
  async reload(): Promise<ReloadResult> {
    await this.#options.cluster?.refresh();
    return this.#again();
  }

  #again(): Promise<ReloadResult> {
    return (this.#next ??= this.#afterReading());
  }

  /** A component as its file said it when that was read last; `undefined`: there is none of that name. */
  definition(name: string): Definition | undefined {
    const { components, problems } = this.#read;
    const component = components.find((one) => one.name === name);
    const { bindings, stateStores: stores = stateStores } = this.#options;
    const visible = visibilityBy(bindings, componentFields, stores);
    return component && definitionOf(component, visible, problems);
  }

  close(): void {
    this.#closed = true;
    this.#options.cluster?.close();
    this.#watcher.close();
    void this.#secretStores[Symbol.asyncDispose]();
  }

  async #afterReading(): Promise<ReloadResult> {
    await this.#reading;
    this.#next = undefined;
    const reading = this.#readAll();
    // One that fails fails those who asked for it, and none that comes after.
    this.#reading = reading.catch(() => undefined);
    // Wrapped, as a promise in a promise would be waited for.
    return (await reading).applied;
  }

  async #readAll(): Promise<{ applied: Promise<ReloadResult> }> {
    const { appId, resourcesPaths, configPaths, bindings, maxBodySize, apply } = this.#options;
    const { needBindings, pluggable, standIn, cluster } = this.#options;
    const state = cluster?.take();
    const config = await readConfiguration(configPaths, state?.configuration);
    // Half a configuration might allow what it forbids.
    if (!config.broken) {
      this.#configuration = config.configuration;
      this.#isConfigured = true;
    }
    const unread = this.#isConfigured ? state?.unread : wrongConfiguration;
    if (unread !== undefined) return { applied: this.#applyNothing(unread, config.problems) };
    const resources = await loadResources({
      ...{ paths: resourcesPaths, objects: state?.resources ?? [] },
      ...(cluster && { namespace: cluster.namespace, builtInStore: cluster.secretStore }),
      appId,
      bindings,
      needBindings,
      stateStores: this.#options.stateStores ?? stateStores,
      standIn,
      frameworkFields: componentFields,
      memory: this.#memory,
      secretStores: this.#secretStores,
      isDenied: this.#configuration.isDenied,
    });
    const isNew = resources.secretFiles.some((file) => !this.#secretFiles.includes(file));
    this.#secretFiles = resources.secretFiles;
    if (this.#watching && isNew) this.#watcher.pathsChanged();
    const linted = await lint(resources.components, bindings, {
      ...{ frameworkFields: componentFields, maxBodySize, pluggable },
      sharedStore: this.#options.sharedStore,
    });
    const left = state?.problems ?? [];
    const problems = [...config.problems, ...left, ...resources.problems, ...linted];
    this.#read = { components: resources.components, problems };
    this.#tell(problems);
    const kept = (await this.#options.changedBindings?.()) ?? [];
    for (const text of kept) this.#options.logger.warn({}, text);
    const policies = await this.#loadPolicies(resources);
    const refused = resources.refused || config.broken || policies === "refused";
    const applied = apply(configured(resources.components, this.#configuration), {
      problems: [
        ...problems.map((problem) => formatProblem(problem).split("\n", 1)[0] ?? ""),
        ...kept,
        ...(state?.failures ?? []),
      ],
      refused,
      changed: policies === "changed",
    });
    if (this.#watching && !this.#configuration.hotReload) {
      this.#watching = false;
      this.#watcher.close();
      cluster?.stop();
      this.#options.logger.info({}, "resources are no longer watched, as the configuration says");
    }
    return { applied };
  }

  /** Nothing is known yet, and says why. */
  #applyNothing(unread: string, problems: readonly ResourceProblem[]): Promise<ReloadResult> {
    this.#tell(problems);
    const told = problems.map((problem) => formatProblem(problem).split("\n", 1)[0] ?? "");
    return this.#options.apply([], { problems: [...told, unread], refused: true, unread });
  }

  /** What is wrong in a Resiliency keeps a right one in force; the first to be read counts as far as it goes. */
  async #loadPolicies(resources: Resources): Promise<"changed" | "same" | "refused"> {
    const { onLoaded, logger } = this.#options;
    const before = this.#policies;
    const { resiliency, resiliencyIsWrong } = resources;
    if (before !== undefined && isDeepStrictEqual(before.resiliency, resiliency)) return "same";
    try {
      if (resiliencyIsWrong && before !== undefined && !before.isWrong)
        throw new Error("a Resiliency has mistakes, which are named above");
      await onLoaded(resources);
    } catch (error) {
      logger.error(
        { reason: messageOf(error) },
        "the Resiliency cannot be taken over; policies stay as they were",
      );
      return "refused";
    }
    this.#policies = { resiliency, isWrong: resiliencyIsWrong };
    return before === undefined ? "same" : "changed";
  }

  async #changed(): Promise<void> {
    if (this.#closed) return;
    const { logger } = this.#options;
    try {
      const { revision, outcome } = await this.#again();
      if (outcome !== "unchanged") logger.info({ revision, outcome }, "resources have changed");
    } catch (error) {
      logger.error({ reason: messageOf(error) }, "changed resources could not be read");
    }
  }

  #paths(): WatchedPath[] {
    const { resourcesPaths, configPaths } = this.#options;
    return [
      ...[...resourcesPaths, ...configPaths].map((path) => ({ path, holds: "resources" as const })),
      ...this.#secretFiles.map((path) => ({ path, holds: "secrets" as const })),
    ];
  }

  /** Says each problem when it comes up, not again at each reading. */
  #tell(problems: readonly ResourceProblem[]): void {
    const { logger } = this.#options;
    const now = new Set<string>();
    for (const problem of problems) {
      const { fields, message } = problemRecord(problem);
      const key = `${message}\n${fields.excerpt ?? ""}`;
      if (!this.#told.has(key))
        logger[problem.severity === "error" ? "error" : "warn"](fields, message);
      now.add(key);
    }
    this.#told = now;
  }
}

/** A configuration that cannot be read, so that nothing can be started by it. */
export class BrokenConfiguration extends Error {
  readonly problems: readonly ResourceProblem[];

  constructor(problems: readonly ResourceProblem[]) {
    super(problems.map((problem) => formatProblem(problem)).join("\n"));
    this.problems = problems;
  }
}
