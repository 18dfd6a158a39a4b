import {
  bool,
  byteSize,
  duration,
  integer,
  number,
  oneOf,
  string,
  type Values,
} from "../../metadata/fields.ts";
import { defaultInboundPolicy, type RetryPolicy } from "../../policy/retry.ts";
import { deduplicateField } from "../delivery/deduplication.ts";
import { onExhaustedField } from "../delivery/on-exhausted.ts";

/** Metadata that every component may have, whatever its type; bindings do not declare it. */
export const componentFields = {
  direction: string({
    description:
      "`input`, `output` or both, separated by a comma. If it is set, the runtime does not query the app for its inputs. Default: both; `output` for types that Dapr has as outputs only.",
    example: "input",
  }),
  route: string({
    description: "Path of the HTTP app to which events are sent. Default: the component's name.",
    direction: "input",
  }),
  schema: string({
    description:
      "A JSON Schema file of the payload: of events, and of the data of `create`. A relative path starts at the component's file. `cufflink generate` makes types of it. The runtime compares no payload with it.",
    example: "order.schema.json",
  }),
  maxInFlight: integer({
    description:
      "Maximum number of events of this component that the app has at one time. Default: 64; for an app on an event stream 1,000, within its credit.",
    direction: "input",
    min: 1,
  }),
  maxPerKey: integer({
    description:
      "Maximum number of events of one key that the app has at one time, for apps that keep the order of a key themselves. Default: as many as the app takes.",
    direction: "input",
    min: 1,
  }),
  singleton: bool({
    description:
      "Whether one replica of the app reads at a time, of those that share a store (`--store nats://…`). Default: no; with the flag `--singleton` for sources of which each replica would read all.",
    direction: "input",
  }),
  onExhausted: onExhaustedField(),
  deduplicate: deduplicateField(),
  deduplicateWindow: duration({
    description: "How long a handled event is remembered for deduplication.",
    direction: "input",
    default: "24h",
    positive: true,
  }),
  orderKey: string({
    description:
      "The key whose events are handled in order: `source` (the source's own key), `header:NAME` (the value of that header) or `none`.",
    direction: "input",
    default: "source",
  }),
  relay: bool({
    description:
      "The replica that reads the source writes its events into a stream of the shared store, and all replicas of the app id deliver them. Needs `--store nats://…`; implies `singleton` where replicas cannot share the source.",
    direction: "input",
    default: "false",
  }),
  relayPartitions: integer({
    description:
      "With `relay`: the number of partitions, each of which one replica delivers at one time. A stream that is there keeps its number.",
    direction: "input",
    default: "16",
    min: 1,
    max: 256,
  }),
  relayMaxBytes: byteSize({
    description:
      "With `relay`: the most bytes of the stream, at least 64Ki. While it is full the source waits; an event that is larger is not relayed.",
    direction: "input",
    default: "256Mi",
    min: 64 * 1024,
  }),
  replyFanOut: bool({
    description:
      "Apply `to` in the replies of HTTP apps, and `states` in the replies of all apps. Off: both are ignored, as in Dapr.",
    direction: "input",
    default: "false",
  }),
  idempotencyWindow: duration({
    description:
      "How long the result of a call with an `idempotency-key` is kept for repeated calls.",
    direction: "output",
    default: "24h",
    positive: true,
  }),
  idempotencyClaim: duration({
    description:
      "Maximum duration of a call with an `idempotency-key`. After it, a call with an unknown result may run again.",
    direction: "output",
    default: "5m",
    positive: true,
  }),
  readiness: oneOf(["required", "optional", "lazy"], {
    description:
      "`required`: `/v1.0/healthz/ready` fails while this component is down. `lazy`: it connects at its first use, or when the app subscribes.",
    default: "optional",
  }),
  required: bool({
    description: "`true` means `readiness: required`.",
    default: "false",
  }),
  drainTimeout: duration({
    description:
      "How long the app may take to finish its events, and callers their invocations, when the component is changed, deleted or paused.",
    default: "30s",
    bare: "ms",
  }),
  stallTimeout: duration({
    description:
      "The input reconnects if events wait at its source and none arrives for this time, while the app is present and has room. 0: never.",
    direction: "input",
    default: "60s",
    bare: "ms",
  }),
  backOffPolicy: oneOf(["constant", "exponential"], {
    description: "Whether the pause between attempts is constant or grows.",
    direction: "input",
  }),
  backOffDuration: duration({
    description: "The pause between attempts of the constant policy.",
    direction: "input",
    bare: "ms",
  }),
  backOffInitialInterval: duration({
    description: "The first pause of the exponential policy.",
    direction: "input",
    bare: "ms",
  }),
  backOffMaxInterval: duration({
    description: "The longest pause of the exponential policy.",
    direction: "input",
    bare: "ms",
  }),
  backOffMultiplier: number({
    description: "The factor between two pauses.",
    direction: "input",
  }),
  backOffRandomizationFactor: number({
    description: "The random variation of a pause, as a share of it: 0 to 1.",
    direction: "input",
  }),
  backOffMaxRetries: integer({
    description: "Attempts after the first; -1: no limit.",
    direction: "input",
    min: -1,
  }),
  backOffMaxElapsedTime: string({
    description:
      "Accepted for compatibility with Dapr; has no effect, because attempts are counted, not timed.",
    direction: "input",
    deprecated: "use backOffMaxRetries",
  }),
} as const;

export type ComponentSettings = Values<typeof componentFields>;

/** The directions that the metadata `direction` names; `undefined`: it is not there. */
export function parseDirections(
  text: string | undefined,
): { input: boolean; output: boolean } | undefined {
  if (text === undefined) return undefined;
  const words = new Set(text.split(",").map((word) => word.trim().toLowerCase()));
  return { input: words.has("input"), output: words.has("output") };
}

/** The inbound policy: what the component's `backOff*` say, else what its binding derives, else the default. */
export function inboundPolicy(
  settings: ComponentSettings,
  derived: Partial<RetryPolicy> = {},
): RetryPolicy {
  const base = { ...defaultInboundPolicy, ...derived };
  const attempts = attemptsOf(settings.backOffMaxRetries, base.attempts);
  if (
    settings.backOffPolicy === "constant" ||
    (!settings.backOffPolicy && settings.backOffDuration !== undefined)
  ) {
    const pause = settings.backOffDuration ?? 5000;
    return { attempts, initial: pause, max: pause, multiplier: 1, jitter: 0 };
  }
  const initial = settings.backOffInitialInterval ?? base.initial;
  return {
    attempts,
    initial,
    max: settings.backOffMaxInterval ?? Math.max(base.max, initial),
    multiplier: settings.backOffMultiplier ?? base.multiplier,
    jitter: settings.backOffRandomizationFactor ?? base.jitter,
  };
}

function attemptsOf(retries: number | undefined, otherwise: number): number {
  if (retries === undefined) return otherwise;
  return retries < 0 ? Number.POSITIVE_INFINITY : retries + 1;
}
