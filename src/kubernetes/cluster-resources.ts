import type { Logger } from "../binding.ts";
import type { KubernetesLogin } from "../identity/kubernetes/access.ts";
import { KubernetesClient } from "../kubernetes-client/client.ts";
import { MemoryBudget } from "../memory/budget.ts";
import type { ResourceProblem } from "../resources/problem.ts";
import type { Source } from "../resources/source.ts";
import { group, plurals, type Kind } from "./kinds.ts";
import { KindWatcher } from "./kind-watcher.ts";
import { kubernetesStore } from "./secret-store.ts";

export type ClusterOptions = {
  readonly login: KubernetesLogin;
  readonly namespace: string;
  readonly appId: string;
  /** The name of the Configuration. Default: none is read. */
  readonly configuration?: string | undefined;
  /** What components mean that name no secret store. */
  readonly secretStore: { readonly kubeconfigPath: string | undefined } | undefined;
  readonly logger: Logger;
  /** How often all is listed again, in milliseconds. Default: half an hour. */
  readonly resyncInterval?: number;
};

/** What the namespace says now. */
export type ClusterState = {
  /** Components and Resiliency. */
  readonly resources: readonly Source[];
  readonly configuration: readonly Source[];
  /** Of objects that are left out. */
  readonly problems: readonly ResourceProblem[];
  /** What cannot be read now, a line each. */
  readonly failures: readonly string[];
  /** Why nothing can run yet; `undefined`: all was read. */
  readonly unread: string | undefined;
};

/** Milliseconds without a further change before one is told. */
const quiet = 50;
/** The longest that changes which go on and on are kept back. */
const longest = 500;
const usualResync = 30 * 60_000;
/** For pages and lines that are being read, in bytes. */
const mostMemory = 128 * 1024 * 1024;
const pollPause = 5_000;

/** The resources of a namespace, read from the API server and followed there. */
export class ClusterResources {
  readonly #options: ClusterOptions;
  readonly #client: KubernetesClient;
  readonly #watchers: ReadonlyMap<Kind, KindWatcher>;
  /** The last one that was there. */
  #configuration: Source | undefined;
  #isMissingTold = false;
  #onChange: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #firstHint: number | undefined;
  #closed = false;

  constructor(options: ClusterOptions) {
    const { login, namespace, appId, logger, resyncInterval = usualResync } = options;
    this.#options = options;
    this.#client = new KubernetesClient({ login });
    const memory = new MemoryBudget(mostMemory).share("kubernetes", mostMemory);
    const watcher = (kind: Kind, name?: string): [Kind, KindWatcher] => [
      kind,
      new KindWatcher({
        ...{ client: this.#client, kind, namespace, appId, name, memory, logger, resyncInterval },
        onChange: () => this.#hint(),
      }),
    ];
    const { configuration } = options;
    this.#watchers = new Map([
      watcher("Component"),
      watcher("Resiliency"),
      ...(configuration === undefined ? [] : [watcher("Configuration", configuration)]),
    ]);
  }

  get namespace(): string {
    return this.#options.namespace;
  }

  /** The store of Kubernetes' own secrets. */
  get secretStore(): Source | undefined {
    const { secretStore } = this.#options;
    if (secretStore === undefined) return undefined;
    const { kubeconfigPath } = secretStore;
    return kubernetesStore(kubeconfigPath);
  }

  /** `onChange` is called whenever something other than before is there. */
  follow(onChange: () => void): void {
    this.#onChange = onChange;
  }

  /** Begins to read. Called once. */
  start(): void {
    for (const watcher of this.#watchers.values()) watcher.start();
  }

  /** Resolves once all was read or refused, or those of the kind, or so many milliseconds have passed. */
  async firstAnswer(milliseconds: number, kind?: Kind): Promise<void> {
    const all = [...this.#watchers].filter(([own]) => kind === undefined || own === kind);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds).unref();
    await Promise.race([Promise.all(all.map(([, watcher]) => watcher.firstAnswer)), promise]);
    clearTimeout(timer);
  }

  /** Lists all again. Resolves once that is done, has failed, or takes too long. */
  async refresh(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, pollPause).unref();
    const all = [...this.#watchers.values()].map((one) => one.refresh());
    await Promise.race([Promise.all(all), promise]);
    clearTimeout(timer);
  }

  /** Takes what there is now: what has changed before is not told any more. */
  take(): ClusterState {
    clearTimeout(this.#timer);
    this.#firstHint = undefined;
    const watchers = [...this.#watchers];
    const failures = watchers.flatMap(([kind, { failure }]) =>
      failure === undefined ? [] : [`${plurals[kind]}.${group} error: ${failure}`],
    );
    const resources = watchers
      .filter(([kind]) => kind !== "Configuration")
      .flatMap(([, { objects }]) => objects.sources);
    const configuration = this.#currentConfiguration();
    return {
      ...{ resources, failures },
      configuration: configuration === undefined ? [] : [configuration],
      problems: watchers.flatMap(([, { objects }]) => objects.problems),
      unread: this.#unread(),
    };
  }

  /** Changes are not followed any more; {@link refresh} reads again. */
  stop(): void {
    for (const watcher of this.#watchers.values()) watcher.stop();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.stop();
    this.#client[Symbol.dispose]();
  }

  /** What a Configuration has said goes on where it was deleted: without it nothing would be denied. */
  #currentConfiguration(): Source | undefined {
    const watcher = this.#watchers.get("Configuration");
    const [now] = watcher?.objects.sources ?? [];
    if (now !== undefined) this.#configuration = now;
    const isMissing = watcher?.isRead === true && now === undefined;
    if (isMissing && !this.#isMissingTold) {
      const { logger, configuration: name, namespace } = this.#options;
      const goesOn = this.#configuration === undefined ? "nothing runs" : "what it said counts";
      logger.warn(
        { configuration: name, namespace },
        `there is no Configuration of this name; ${goesOn} until there is one`,
      );
    }
    this.#isMissingTold = isMissing;
    return this.#configuration;
  }

  #unread(): string | undefined {
    const { namespace, configuration } = this.#options;
    for (const [kind, { isRead, failure }] of this.#watchers) {
      // Without policies components run all the same.
      if (isRead || kind === "Resiliency") continue;
      const why = failure ?? "the API server has not answered yet";
      return `the resources were not read from Kubernetes yet: ${why}`;
    }
    if (configuration === undefined || this.#configuration !== undefined) return undefined;
    return `there is no Configuration ${JSON.stringify(configuration)} in the namespace ${namespace}, which may deny components; nothing runs before there is one`;
  }

  #hint(): void {
    if (this.#closed) return;
    const now = performance.now();
    this.#firstHint ??= now;
    clearTimeout(this.#timer);
    const wait = Math.max(0, Math.min(quiet, this.#firstHint + longest - now));
    this.#timer = setTimeout(() => {
      this.#firstHint = undefined;
      this.#onChange();
    }, wait).unref();
  }
}
