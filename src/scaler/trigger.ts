import { BindingError } from "../errors.ts";
import { closest } from "../metadata/suggest.ts";

/** What a trigger of a ScaledObject asks for. */
export type Trigger = {
  /** Names; at least one. */
  readonly components: readonly string[];
  /** Where they are said to be; `undefined`: wherever the scaler's are. */
  readonly namespace: string | undefined;
  /** So many events that wait are for one replica. Above 0. */
  readonly perReplica: number;
  /** The workload has work where more than so many wait. */
  readonly activation: number;
};

const usualPerReplica = 10;

const ownKeys = ["component", "backlogPerReplica", "activationBacklog", "namespace"] as const;
/** What KEDA itself reads of a trigger, and passes on with the rest. */
const kedasKeys: ReadonlySet<string> = new Set([
  ...["scalerAddress", "enableTLS", "unsafeSsl", "caCert", "tlsClientCert", "tlsClientKey"],
  "tlsCertFile",
]);

/** Reads a trigger's metadata. Throws a `BindingError` that is `invalid_argument`. */
export function readTrigger(metadata: Readonly<Record<string, string>>): Trigger {
  for (const key of Object.keys(metadata)) {
    if (ownKeys.some((own) => own === key) || kedasKeys.has(key)) continue;
    const near = closest(key, ownKeys);
    const advice = near === undefined ? `there are ${ownKeys.join(", ")}` : `did you mean ${near}?`;
    throw wrong(`the trigger's metadata have the unknown key ${JSON.stringify(key)}; ${advice}`);
  }
  const components = (metadata["component"] ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (components.length === 0)
    throw wrong("the trigger's metadata name no component; give component: NAME, or several: A, B");
  const perReplica = numberOf(metadata, "backlogPerReplica", usualPerReplica);
  if (perReplica === 0) throw wrong("the trigger's backlogPerReplica is 0; give a number above 0");
  return {
    components: [...new Set(components)],
    namespace: metadata["namespace"] || undefined,
    perReplica,
    activation: numberOf(metadata, "activationBacklog", 0),
  };
}

function numberOf(
  metadata: Readonly<Record<string, string>>,
  key: (typeof ownKeys)[number],
  usual: number,
): number {
  const text = metadata[key];
  if (text === undefined) return usual;
  if (/^\d{1,15}(\.\d{1,6})?$/.test(text)) return Number(text);
  throw wrong(`the trigger's ${key} ${JSON.stringify(text)} is not a number such as 10 or 0.5`);
}

function wrong(text: string): BindingError {
  return new BindingError("invalid_argument", text, { effect: "unsent" });
}

/** The metrics of a trigger, one for each component, by names that the path of a URL takes. */
export function metricsOf(
  trigger: Trigger,
): readonly { readonly name: string; readonly component: string }[] {
  const taken = new Set<string>();
  return trigger.components.map((component) => {
    const plain = `cufflink-${component.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-")}`;
    let name = plain;
    for (let more = 2; taken.has(name); more++) name = `${plain}-${more}`;
    taken.add(name);
    return { name, component };
  });
}
