import type { Runtime } from "../runtime/runtime.ts";
import type { ComponentStatus } from "../runtime/status.ts";

export type AppConnection = {
  readonly protocol: string;
  readonly address: string;
  /** Absent: no app port was given. */
  readonly port?: number | undefined;
  readonly maxConcurrency?: number | undefined;
  readonly health?:
    | {
        readonly path?: string | undefined;
        readonly interval: string;
        readonly timeout: string;
        readonly threshold: number;
      }
    | undefined;
};

/** What `/v1.0/metadata` and `GetMetadata` tell, from one source. */
export class RuntimeDescription {
  readonly appId: string;
  readonly version: string;
  readonly app: AppConnection;
  readonly #extended = new Map<string, string>();
  readonly #runtime: Runtime;
  readonly #features: () => readonly string[];

  /** `features`: those of Dapr's that are on now; absent: none. */
  constructor(options: {
    appId: string;
    version: string;
    app: AppConnection;
    runtime: Runtime;
    features?: () => readonly string[];
  }) {
    this.appId = options.appId;
    this.version = options.version;
    this.app = options.app;
    this.#runtime = options.runtime;
    this.#features = options.features ?? (() => []);
    this.#extended.set("daprRuntimeVersion", options.version);
  }

  get features(): string[] {
    return [...this.#features()];
  }

  /** What callers have set, by key. */
  get extended(): ReadonlyMap<string, string> {
    return this.#extended;
  }

  /** Sets what `PUT /v1.0/metadata/{key}` and `SetMetadata` say. Returns why it cannot be: all of it is kept for good. */
  setExtended(key: string, value: string): string | undefined {
    let size = key.length + value.length;
    for (const [name, text] of this.#extended) {
      if (name !== key) size += name.length + text.length;
    }
    if (size > mostExtended)
      return `the metadata of this runtime would have ${size} characters, and may have at most ${mostExtended}`;
    this.#extended.set(key, value);
    return undefined;
  }

  /** The components as Dapr's metadata shows them, with the state beside it. */
  components(): {
    name: string;
    type: string;
    version: string;
    capabilities: string[];
    state: string;
  }[] {
    return this.#runtime.components().map(({ name, type, version, directions, state }) => ({
      name,
      type,
      version: version === "" ? "v1" : version,
      capabilities: capabilitiesOf(directions),
      state,
    }));
  }

  /** The body of `GET /v1.0/metadata`. */
  json(): object {
    const { protocol, address, port, maxConcurrency, health } = this.app;
    const components = this.components();
    return {
      id: this.appId,
      runtimeVersion: this.version,
      enabledFeatures: this.features,
      ...(components.length === 0 ? {} : { components }),
      extended: Object.fromEntries(this.#extended),
      appConnectionProperties: {
        ...(port === undefined ? {} : { port }),
        protocol,
        channelAddress: address,
        ...(maxConcurrency === undefined ? {} : { maxConcurrency }),
        ...(health === undefined
          ? {}
          : {
              health: {
                ...(health.path === undefined ? {} : { healthCheckPath: health.path }),
                healthProbeInterval: health.interval,
                healthProbeTimeout: health.timeout,
                healthThreshold: health.threshold,
              },
            }),
      },
      actorRuntime: {
        runtimeStatus: "DISABLED",
        hostReady: false,
        placement: "placement: disconnected",
      },
    };
  }
}

/** Of all keys and values that callers set. */
const mostExtended = 64 * 1024;

/** The directions of a component in Dapr's words. */
export function capabilitiesOf(directions: ComponentStatus["directions"]): string[] {
  return [
    ...(directions.input ? ["INPUT_BINDING"] : []),
    ...(directions.output ? ["OUTPUT_BINDING"] : []),
  ];
}
