import {
  bool,
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
      "`input`, `output` or both, separated by a comma. If it is set, the app is not asked whether it wants the input. Default: both.",
    example: "input",
  }),
  route: string({
    description: "Path of an HTTP app that gets the events. Default: the component's name.",
    direction: "input",
  }),
  maxInFlight: integer({
    description:
      "The most events of this component that the app has at one time. Default: 64; for an app on an event stream 1,000, if its credit allows.",
    direction: "input",
    min: 1,
  }),
  maxPerKey: integer({
    description:
      "The most events of one key that the app has at one time, where it keeps the order of a key itself. Default: as many as it takes.",
    direction: "input",
    min: 1,
  }),
  onExhausted: onExhaustedField(),
  deduplicate: deduplicateField(),
  deduplicateWindow: duration({
    description: "For how long a handled event is remembered, to tell its duplicates.",
    direction: "input",
    default: "24h",
    positive: true,
  }),
  orderKey: string({
    description:
      "What must be handled in order: `source` (the source's own key), `header:NAME` (the value of that header) or `none`.",
    direction: "input",
    default: "source",
  }),
  replyFanOut: bool({
    description:
      "Honour `to` in the replies of HTTP apps, and `states` in those of all apps. Off: they are plain replies, as in Dapr.",
    direction: "input",
    default: "false",
  }),
  idempotencyWindow: duration({
    description:
      "How long the result of a call with an `idempotency-key` is kept, for calls that repeat it.",
    direction: "output",
    default: "24h",
    positive: true,
  }),
  idempotencyClaim: duration({
    description:
      "The longest that a call with an `idempotency-key` may take; after it, one of which nobody knows whether it happened may run anew.",
    direction: "output",
    default: "5m",
    positive: true,
  }),
  readiness: oneOf(["required", "optional", "lazy"], {
    description:
      "`required`: `/v1.0/healthz/ready` fails while this component is down. `lazy`: it is connected at its first use, or when the app subscribes.",
    default: "optional",
  }),
  required: bool({
    description: "`true` says `readiness: required`.",
    default: "false",
  }),
  drainTimeout: duration({
    description:
      "How long the app may finish the events that it has, and a caller its invocation, when the component is changed, deleted or paused.",
    default: "30s",
    bare: "ms",
  }),
  stallTimeout: duration({
    description:
      "The input reconnects when events wait at its source and none comes, though the app is there and has room, for this long. 0: never.",
    direction: "input",
    default: "60s",
    bare: "ms",
  }),
  backOffPolicy: oneOf(["constant", "exponential"], {
    description: "Whether the pause between attempts stays or grows.",
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
    description: "What each pause is multiplied by for the next.",
    direction: "input",
  }),
  backOffRandomizationFactor: number({
    description: "How much a pause varies by chance, as a share of it: 0 to 1.",
    direction: "input",
  }),
  backOffMaxRetries: integer({
    description: "Attempts after the first; -1: without end.",
    direction: "input",
    min: -1,
  }),
  backOffMaxElapsedTime: string({
    description: "Read for Dapr's sake and not used: attempts are counted, not timed.",
    direction: "input",
    deprecated: "say backOffMaxRetries",
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
