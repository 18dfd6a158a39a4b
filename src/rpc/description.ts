import type { Runtime } from "../runtime/runtime.ts";
import type { ComponentStatus } from "../runtime/status.ts";
import { daprVersion } from "../version.ts";

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
  /** Where Dapr's clients look for Dapr's version: that of the wire contract. */
  readonly runtimeVersion = daprVersion;
  readonly app: AppConnection;
  readonly #labels = new Map<string, string>();
  readonly #version: string;
  readonly #runtime: Runtime;
  readonly #features: () => readonly string[];

  /** `version`: Cufflink's own; `features`: those of Dapr's that are on now; absent: none. */
  constructor(options: {
    appId: string;
    version: string;
    app: AppConnection;
    runtime: Runtime;
    features?: () => readonly string[];
  }) {
    this.appId = options.appId;
    this.#version = options.version;
    this.app = options.app;
    this.#runtime = options.runtime;
    this.#features = options.features ?? (() => []);
  }

  /** Sets what `PUT /v1.0/metadata/{key}` and `SetMetadata` say. Returns why it cannot be: all of it is kept for good. */
  setLabel(key: string, value: string): string | undefined {
    let size = key.length + value.length;
    for (const [name, text] of this.#labels) {
      if (name !== key) size += name.length + text.length;
    }
    if (size > mostOfLabels)
      return `the metadata of this runtime would have ${size} characters, and may have at most ${mostOfLabels}`;
    this.#labels.set(key, value);
    return undefined;
  }

  /** The labels that were set, and the versions, which nobody sets. */
  get extended(): Record<string, string> {
    return {
      ...Object.fromEntries(this.#labels),
      daprRuntimeVersion: this.runtimeVersion,
      cufflinkVersion: this.#version,
    };
  }

  /** What this process is. */
  about(): { appId: string; version: string; app: string } {
    const { protocol, address, port } = this.app;
    const host = address.includes(":") ? `[${address}]` : address;
    const app = port === undefined ? "" : `${protocol}://${host}:${port}`;
    return { appId: this.appId, version: this.#version, app };
  }

  get features(): string[] {
    return [...this.#features()];
  }

  /** The components as Dapr's metadata shows them, with the state, and its reason if it has one, beside it. */
  components(): {
    name: string;
    type: string;
    version: string;
    capabilities: string[];
    state: string;
    reason?: string;
  }[] {
    return this.#runtime.components().map(({ name, type, version, directions, state, reason }) => ({
      name,
      type,
      version: version === "" ? "v1" : version,
      capabilities: capabilitiesOf(directions),
      state,
      ...(reason === "" ? {} : { reason }),
    }));
  }

  /** The body of `GET /v1.0/metadata`. */
  json(): object {
    const { protocol, address, port, maxConcurrency, health } = this.app;
    const components = this.components();
    return {
      id: this.appId,
      runtimeVersion: this.runtimeVersion,
      enabledFeatures: this.features,
      ...(components.length === 0 ? {} : { components }),
      extended: this.extended,
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
const mostOfLabels = 64 * 1024;

/** The directions of a component in Dapr's words. */
export function capabilitiesOf(directions: ComponentStatus["directions"]): string[] {
  return [
    ...(directions.input ? ["INPUT_BINDING"] : []),
    ...(directions.output ? ["OUTPUT_BINDING"] : []),
  ];
}
